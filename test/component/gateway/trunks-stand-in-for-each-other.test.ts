import { afterEach, describe, expect, it } from 'vitest'
import type { Config, TrunkConfig } from '../../../config/config.ts'
import type { TrunkResolver } from '../../../gateway/trunks/trunk.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PHONE,
  place,
  quiet,
  reasonText,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

const A = 5_070
const B = 5_071
const C = 5_072

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const CODECS = ['PCMA', 'PCMU'] as const

/** Trunks a, b, c in a group of this order; `0...` goes to it. */
async function open(
  over: Readonly<Record<string, Partial<TrunkConfig>>> = {},
  more: Partial<Config> = {},
  resolver: Partial<TrunkResolver> = {},
): Promise<ScriptedGateway> {
  const ports = { a: A, b: B, c: C }
  gateway = await ScriptedGateway.open(
    {
      trunks: Object.entries(ports).map(([name, port]) =>
        trunkConfig({ name, port, codecs: [...CODECS], ...over[name] }),
      ),
      groups: [
        {
          name: 'out',
          trunks: Object.keys(ports).map((trunk, index) => ({ trunk, priority: index, weight: 1 })),
        },
      ],
      routes: [{ prefix: '0', trunk: 'out', strip: 1, add: '' }],
      ...more,
    },
    {},
    { resolver },
  )
  return gateway
}

const at = (port: number): Peer => gateway.trunkAt(port).peer
const silence = (port: number, isSilent = true): void => {
  gateway.trunkAt(port).gatewayFlow.drops = () => isSilent
}
const refuse = (port: number, status: number, headers: { name: string; value: string }[] = []): void => {
  for (const invite of at(port).invites) invite.reject(status, { headers })
}
const callsAt = () => [A, B, C].map((port) => at(port).invites.length)

async function called(ms = 100) {
  const alice = await gateway.registered('alice')
  const call = place(alice, 'alice', '0100')
  await gateway.time.advance(ms)
  return call
}

/** Ends an answered call, so that nothing is left. */
async function answered(port: number, call: ReturnType<typeof place>): Promise<void> {
  const invite = at(port).invites.at(-1)
  invite?.accept({ body: answerTo(invite, PHONE) }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  call.dialog?.bye()
  await gateway.time.advance(100)
}

describe('a call that the first trunk of a group does not take', () => {
  it.each([500, 502, 503, 504, 580])('because it answers %i is answered by the next', async (status) => {
    await open()
    const call = await called()
    expect(callsAt()).toEqual([1, 0, 0])
    refuse(A, status)
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([1, 1, 0])
    expect(call.final).toBeUndefined()
    await answered(B, call)
    const [line] = gateway.logged('call tried elsewhere')
    expect(line?.fields).toMatchObject({ from: 'trunk:a', to: 'trunk:b' })
  })

  it('because it is silent is answered by the next after calls.attemptS, and the silent one rings no phone later', async () => {
    await open()
    silence(A)
    const call = await called(3_900)
    expect(callsAt()).toEqual([0, 0, 0])
    await gateway.time.advance(200)
    expect(callsAt()).toEqual([0, 1, 0])
    // The dead one comes back, and a repetition of its INVITE reaches it.
    silence(A, false)
    at(B).invites[0]?.progress(180)
    await gateway.time.advance(10_000)
    expect(callsAt()).toEqual([1, 1, 0])
    expect(gateway.trunkAt(A).gatewayFlow.sent.filter((text) => text.startsWith('CANCEL '))).toHaveLength(1)
    await answered(B, call)
  })

  it('because it answers too late is ended there: the caller has the call that was answered first', async () => {
    await open()
    // Its answers do not reach us for a while.
    at(A).flow.drops = () => true
    const call = await called(4_100)
    const [first] = at(A).invites
    let endedAtA: string | undefined
    first?.accept(
      { body: first && answerTo(first, PHONE) },
      { ...quiet, onEnd: (reason) => (endedAtA = reason) },
    )
    at(A).flow.drops = () => false
    await gateway.time.advance(4_000)
    expect(endedAtA).toBe('bye')
    await answered(B, call)
  })

  it('because it takes the call and never rings goes on after calls.progressS', async () => {
    await open()
    const call = await called(100)
    // 100 Trying is what a user agent sends at once: the trunk lives, and that is all.
    await gateway.time.advance(19_800)
    expect(callsAt()).toEqual([1, 0, 0])
    await gateway.time.advance(200)
    expect(callsAt()).toEqual([1, 1, 0])
    expect(gateway.logged('call tried elsewhere')[0]?.fields.reason).toContain('trunk:a: slow')
    await answered(B, call)
  })

  it('goes through all of them, and the caller is told the last failure by code alone', async () => {
    await open()
    const call = await called()
    refuse(A, 503)
    await gateway.time.advance(100)
    refuse(B, 500)
    await gateway.time.advance(100)
    refuse(C, 502)
    await gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([502, 'SIP;cause=502;text="call.peer-failed"'])
    expect(typeof call.final === 'object' && JSON.stringify(call.final.headers)).not.toContain('trunk:')
    expect(gateway.logged('call failed').at(-1)?.fields.reason).toContain('trunk:c: 502')
    gateway.expectsVerdicts('call.peer-failed')
  })

  it('has no second place when the caller hangs up meanwhile', async () => {
    await open()
    silence(A)
    const call = await called(2_000)
    call.invite.cancel()
    await gateway.time.advance(10_000)
    expect(callsAt()).toEqual([0, 0, 0])
    expect(statusOf(call)).toBe(487)
    silence(A, false)
    gateway.expectsVerdicts(['cancelled', 'trunk.silent'])
  })

  it('is not cut short where no other trunk is', async () => {
    await open({}, { groups: [], routes: [{ prefix: '0', trunk: 'a', strip: 1, add: '' }] })
    silence(A)
    const call = await called(30_000)
    expect(call.final).toBeUndefined()
    await gateway.time.advance(3_000)
    expect([statusOf(call), reasonText(call)]).toEqual([503, 'SIP;cause=503;text="trunk.unreachable"'])
    gateway.expectsVerdicts('trunk.unreachable')
  })
})

describe('a call stays where it is', () => {
  it.each([404, 480, 486, 408, 600, 603])('when the trunk answers %i: busy is busy', async (status) => {
    await open()
    const call = await called()
    refuse(A, status)
    await gateway.time.advance(100)
    expect([statusOf(call), callsAt()]).toEqual([status, [1, 0, 0]])
    gateway.expectsVerdicts('call.refused')
  })

  it.each([180, 183])('when %i has come before the 503', async (status) => {
    await open()
    const call = await called()
    at(A).invites[0]?.progress(status)
    await gateway.time.advance(30_000)
    expect(callsAt()).toEqual([1, 0, 0])
    refuse(A, 503)
    await gateway.time.advance(100)
    expect([statusOf(call), callsAt()]).toEqual([503, [1, 0, 0]])
    expect(call.progress.map((response) => response.status)).toEqual([status])
    gateway.expectsVerdicts('call.peer-failed')
  })
})

describe('a call that has rung and is sent elsewhere at its trunk', () => {
  const EMERGENCY = { prefix: '', callerId: undefined, maxCalls: 2, drainTimeoutS: 60 }
  const redirected = async (number: string) => {
    await open({}, { emergency: { ...EMERGENCY, numbers: ['112'], trunks: ['out'] } })
    const call = place(await gateway.registered('alice'), 'alice', number)
    await gateway.time.advance(100)
    at(A).invites[0]?.progress(180)
    await gateway.time.advance(20_000)
    at(A).invites[0]?.reject(302, { headers: [{ name: 'Contact', value: '<sip:200@127.0.0.1:5070>' }] })
    return call
  }

  // It was taken away after calls.attemptS, and its trunk rested, though it had said 100 to the second INVITE.
  it.each(['0100', '112'])('may take its time to ring there: %s', async (number) => {
    const call = await redirected(number)
    await gateway.time.advance((gateway.config.calls.attemptS + gateway.config.calls.progressS) * 1_000)
    expect([callsAt(), statusOf(call)]).toEqual([[2, 0, 0], undefined])
    await answered(A, call)
  })

  it('goes on by the next trunk where there is nobody, when it is for 112', async () => {
    const call = await redirected('112')
    silence(A)
    await gateway.time.advance((gateway.config.calls.attemptS + 1) * 1_000)
    expect(callsAt().slice(1)).toEqual([1, 0])
    await answered(B, call)
  })
})

describe('the next trunk', () => {
  it('has an offer of its own: SDES after plain, on another port', async () => {
    await open({ b: { media: 'sdes', codecs: ['PCMU'] } })
    const call = await called()
    const first = at(A).invites[0]?.request.body.toString() ?? ''
    refuse(A, 503)
    await gateway.time.advance(100)
    const second = at(B).invites[0]?.request.body.toString() ?? ''
    expect(first).toMatch(/RTP\/AVP 8 0/)
    expect(second).toMatch(/RTP\/SAVP 0 /)
    expect(second).toContain('a=crypto:')
    expect(/m=audio (\d+)/.exec(first)?.[1]).not.toBe(/m=audio (\d+)/.exec(second)?.[1])
    refuse(B, 404)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(404)
    gateway.expectsVerdicts('call.refused')
  })

  it('is one that speaks a codec of the caller', async () => {
    await open({ b: { codecs: ['opus'] } })
    const alice = await gateway.registered('alice')
    const pcma = { payloadType: 8, name: 'PCMA', clockRateHz: 8_000, channels: 1, format: undefined }
    const call = place(alice, 'alice', '0100', { body: offerOf(BROWSER, [pcma]) })
    await gateway.time.advance(100)
    refuse(A, 503)
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([1, 0, 1])
    await answered(C, call)
  })
})

describe('trunks of which is known more', () => {
  it('rest after a silence: the next call does not wait for it again, until the rest is over', async () => {
    await open()
    silence(A)
    await answered(B, await called(4_200))
    await answered(B, await called())
    expect(callsAt()).toEqual([0, 2, 0])
    silence(A, false)
    await gateway.time.advance(31_000)
    await answered(A, await called())
  })

  it('rest as long as Retry-After of a 503 says', async () => {
    await open()
    let call = await called()
    refuse(A, 503, [{ name: 'Retry-After', value: '120' }])
    await gateway.time.advance(100)
    await answered(B, call)
    await gateway.time.advance(100_000)
    call = await called()
    await answered(B, call)
    await gateway.time.advance(21_000)
    await answered(A, await called())
  })

  it('that are down get no calls while another is up, and are the last resort', async () => {
    await open()
    gateway.states.noteHealth('a', 'down')
    gateway.states.noteHealth('b', 'down')
    const call = await called()
    expect(callsAt()).toEqual([0, 0, 1])
    refuse(C, 503)
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([1, 0, 1])
    await answered(A, call)
  })

  it('that are full are passed over: one past maxCalls goes to the next, and one past all is told 503', async () => {
    await open({ a: { maxCalls: 1 }, b: { maxCalls: 1 }, c: { maxCalls: 1 } })
    const alice = await gateway.registered('alice')
    const calls = Array.from({ length: 3 }, () => place(alice, 'alice', '0100'))
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([1, 1, 1])
    const fourth = place(alice, 'alice', '0100')
    await gateway.time.advance(100)
    expect([statusOf(fourth), reasonText(fourth)]).toEqual([503, 'SIP;cause=503;text="trunk.full"'])
    // A call that goes elsewhere gives its place back, and takes none that is taken.
    refuse(A, 503)
    await gateway.time.advance(100)
    expect(statusOf(calls[0] ?? fourth)).toBe(503)
    const fifth = place(alice, 'alice', '0100')
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([2, 1, 1])
    for (const port of [A, B, C]) refuse(port, 486)
    await gateway.time.advance(100)
    expect(statusOf(fifth)).toBe(486)
    gateway.expectsVerdicts('call.peer-failed', 'call.refused', 'call.refused', 'call.refused', 'trunk.full')
  })

  it('count calls that they send us too', async () => {
    await open({ a: { maxCalls: 1 } })
    const alice = await gateway.registered('alice')
    const incoming = place(at(A), '0301234', 'alice', { body: offerOf(PHONE) })
    await gateway.time.advance(100)
    await called()
    expect(callsAt()).toEqual([0, 1, 0])
    refuse(B, 486)
    alice.invites[0]?.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(incoming)).toBe(486)
    gateway.expectsVerdicts('call.refused', 'call.refused')
  })
})

describe('a trunk that dies in mid-call', () => {
  it('keeps the call until its session is over, and the next call goes elsewhere', async () => {
    await open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    await gateway.time.advance(100)
    const invite = at(A).invites[0]
    invite?.accept({ body: invite && answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    // Neither side hears the other any more.
    silence(A)
    at(A).flow.drops = () => true
    await answered(B, await called(4_100))
    expect(call.ended).toBeUndefined()
    await gateway.time.advance(gateway.config.calls.sessionExpiresS * 1_000)
    expect(call.ended).toBe('bye')
    expect(call.endedBy).toContain('call.session-expired')
    gateway.expectsVerdicts(['media.none-from-trunk', 'call.session-expired'])
  })
})

describe('one trunk with several servers', () => {
  const resolver: Partial<TrunkResolver> = {
    srv: async (name) => ({
      ttlS: undefined,
      records:
        name === '_sip._udp.example.net'
          ? [
              { name: 'one.example.net', port: B, priority: 1, weight: 1 },
              { name: 'two.example.net', port: C, priority: 2, weight: 1 },
            ]
          : [],
    }),
    addresses: async () => ({ records: ['127.0.0.1'], ttlS: undefined }),
  }

  it('is tried server by server, with its domain in the request', async () => {
    await open(
      { a: { host: 'example.net', port: undefined } },
      { groups: [], routes: [{ prefix: '0', trunk: 'a', strip: 1, add: '' }] },
      resolver,
    )
    const call = await called()
    expect(at(B).invites[0]?.request.uri.text).toBe('sip:100@example.net')
    refuse(B, 503)
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([0, 1, 1])
    await answered(C, call)
  })

  it('goes on to its second server with the last call that it may carry, and one more finds it full', async () => {
    // The call that failed was counted against itself.
    await open(
      { a: { host: 'example.net', port: undefined, maxCalls: 1 } },
      { groups: [], routes: [{ prefix: '0', trunk: 'a', strip: 1, add: '' }] },
      resolver,
    )
    const call = await called()
    refuse(B, 503)
    await gateway.time.advance(100)
    expect(callsAt()).toEqual([0, 1, 1])
    const second = await called()
    expect([statusOf(second), reasonText(second)]).toEqual([503, 'SIP;cause=503;text="trunk.full"'])
    await answered(C, call)
    gateway.expectsVerdicts('trunk.full')
  })
})

describe('a transfer', () => {
  it('goes on to the next trunk too', async () => {
    await open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', 'echo')
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
    // Echo cannot be transferred; a call by a trunk can.
    const outgoing = place(alice, 'alice', '0100')
    await gateway.time.advance(100)
    const invite = at(A).invites[0]
    invite?.accept({ body: invite && answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(100)
    const notified: string[] = []
    outgoing.dialog?.request(
      'REFER',
      { headers: [{ name: 'Refer-To', value: '<sip:0200@example.com>' }] },
      (response) => notified.push(typeof response === 'string' ? response : String(response.status)),
    )
    await gateway.time.advance(100)
    expect(notified).toEqual(['202'])
    at(A).invites[1]?.reject(503)
    await gateway.time.advance(100)
    const second = at(B).invites[0]
    expect(second?.request.uri.text).toContain('sip:200@')
    second?.accept({ body: second && answerTo(second, PHONE) }, quiet)
    await gateway.time.advance(500)
    expect(gateway.logged('transfer done')).toHaveLength(1)
    void gateway.calls.drain()
    await gateway.time.advance(500)
    gateway.expectsVerdicts('call.draining')
  })
})
