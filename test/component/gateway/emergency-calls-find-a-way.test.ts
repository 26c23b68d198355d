import { afterEach, describe, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { MediaFailure } from '../../../media/failure.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import {
  type AnsweredCall,
  answered,
  answerIn,
  answerTo,
  BROWSER,
  inOneBreath,
  offerOf,
  PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  quiet,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const demo = loadConfig(undefined, {})

async function open(
  second: Partial<TrunkConfig> = {},
  first: Partial<TrunkConfig> = {},
  others: readonly TrunkConfig[] = [],
): Promise<Peer> {
  gateway = await ScriptedGateway.open({
    calls: { ...demo.calls, ringTimeoutS: 30 },
    trunks: [
      trunkConfig({ host: '127.0.0.1', port: 5070, codecs: ['PCMA', 'PCMU'], ...first }),
      trunkConfig({ name: 'second', host: '127.0.0.1', port: 5071, codecs: ['PCMU', 'PCMA'], ...second }),
      ...others,
    ],
    emergency: {
      numbers: ['112'],
      prefix: '',
      trunks: ['pbx', 'second', ...others.map(({ name }) => name)],
      callerId: undefined,
      maxCalls: 2,
      drainTimeoutS: 60,
    },
  })
  return gateway.registered('alice')
}

/** 112 of a browser that answers what it is asked in mid-call. */
function call(alice: Peer) {
  const dialog = new PeerDialog(BROWSER)
  const made = place(alice, 'alice', '112', { handler: dialog.handler })
  return { made, dialog }
}

const second = (): Peer => gateway.trunkAt(5071).peer

const audioOf = (text: string | undefined): string | undefined =>
  /^m=audio \d+ (.*)\r$/m.exec(text ?? '')?.[1]

describe('an emergency call that has rung', () => {
  it.each([404, 486, 503, 603])('and is refused with %i goes to the next trunk', async (status) => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(1_000)
    invite.reject(status)
    const other = await ringing(gateway, second())
    expect(other.request.uri.text).toBe('sip:112@127.0.0.1:5071')
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(200)
    expect(statusOf(made)).toBe(200)
    expect(made.progress.map((response) => response.status)).toEqual([180])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('and whose trunk was started anew goes to the next trunk', async () => {
    const { made } = call(await open())
    gateway.trunkFlow.transport = 'tcp'
    gateway.trunk.flow.transport = 'tcp'
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180)
    await gateway.time.advance(1_000)
    gateway.trunk.flow.drops = () => true
    invite.reject(480)
    gateway.trunk.flow.drops = () => false
    gateway.userAgent.flowClosed(gateway.trunkFlow)
    const other = await ringing(gateway, second())
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(200)
    expect(statusOf(made)).toBe(200)
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('rings on past calls.ringTimeoutS: it may wait in a queue', async () => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(182)
    await gateway.time.advance(300_000)
    expect([made.final, second().invites]).toEqual([undefined, []])
    const phone = new PeerDialog(PHONE)
    phone.dialog = invite.accept({ body: answerTo(invite, PHONE) }, phone.handler)
    await gateway.time.advance(200)
    expect(statusOf(made)).toBe(200)
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('while any other call is given up then', async () => {
    await open()
    const made = place(gateway.trunk, '030', 'alice', { body: offerOf(PHONE) })
    await gateway.time.advance(200)
    await gateway.time.advance(31_000)
    expect(statusOf(made)).toBe(480)
    gateway.expectsVerdicts('call.no-answer')
  })
})

describe('an emergency call with an announcement of the first trunk', () => {
  it('has its answer: the next trunk is offered what that says, and nothing is new for the caller', async () => {
    const { made, dialog } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    expect(audioOf(invite.request.body.toString())).toBe('RTP/AVP 8 0 101')
    invite.progress(183, { body: answerIn(invite, ['PCMA']) })
    await gateway.time.advance(2_000)
    invite.reject(404)
    const other = await ringing(gateway, second())
    expect(audioOf(other.request.body.toString())).toBe('RTP/AVP 8 101')
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(200)
    const early = made.progress[0]?.body.toString()
    expect(early).toMatch(/^m=audio/m)
    expect(typeof made.final === 'object' && made.final.body.toString()).toBe(early)
    expect(dialog.offers).toEqual([])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('goes to a trunk that has none of its codecs too, and is told of another one by a re-INVITE', async () => {
    const { made, dialog } = call(await open({ codecs: ['G722'] }))
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerIn(invite, ['PCMA']) })
    await gateway.time.advance(2_000)
    invite.reject(503)
    const other = await ringing(gateway, second())
    expect(audioOf(other.request.body.toString())).toBe('RTP/AVP 9 101')
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(200)
    expect(dialog.offers.map(audioOf)).toEqual(['UDP/TLS/RTP/SAVPF 9 101'])
    expect(phone.offers).toEqual([])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('is told by a re-INVITE what the trunk that took it wants instead', async () => {
    const { made, dialog } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(2_000)
    invite.reject(503)
    const other = await ringing(gateway, second())
    expect(audioOf(other.request.body.toString())).toBe('RTP/AVP 0 8 101')
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerIn(other, ['PCMU']) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(200)
    expect(dialog.offers.map(audioOf)).toEqual(['UDP/TLS/RTP/SAVPF 0 101'])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })
})

/** What a trunk says that is no answer to our offer. */
const unusable = (invite: IncomingInvite, change: (text: string) => string) => {
  const { contentType, bytes } = answerTo(invite, PHONE)
  return { contentType, bytes: Buffer.from(change(Buffer.from(bytes).toString())) }
}
const withoutAudio = (text: string): string => text.replace(/^m=audio \d+/m, 'm=audio 0')
const inAnotherCodec = (text: string): string =>
  text.replace(/^(m=audio \d+ RTP\/AVP) .*$/m, '$1 18').replace(/^a=(rtpmap|fmtp).*\r\n/gm, '')

describe('an emergency call whose trunk answers what nobody can use', () => {
  const ANSWERS = [
    ['a refused stream', withoutAudio],
    ['a codec that was not offered', inAnotherCodec],
    ['garbage', () => 'hello'],
  ] as const

  const takenBySecond = async (call: PlacedCall): Promise<void> => {
    const other = await ringing(gateway, second())
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(200)
    expect(gateway.calls.size).toBe(1)
    expect(gateway.logged('call tried elsewhere')).toHaveLength(1)
    phone.dialog.bye()
    await gateway.time.advance(200)
  }

  it.each(ANSWERS)('in a 183, %s, goes to the next trunk', async (_what, change) => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    let isCancelled = false
    invite.handler = {
      onCancel: () => {
        isCancelled = true
      },
    }
    invite.progress(183, { body: unusable(invite, change) })
    await takenBySecond(made)
    expect(isCancelled).toBe(true)
  })

  it.each([...ANSWERS, ['nothing', () => '']] as const)(
    'in a 200, %s, goes to the next trunk',
    async (_what, change) => {
      const { made } = call(await open())
      const invite = await ringing(gateway, gateway.trunk)
      const first = new PeerDialog(PHONE)
      const body = unusable(invite, change)
      first.dialog = invite.accept(body.bytes.length === 0 ? {} : { body }, first.handler)
      await takenBySecond(made)
      expect(first.ended).toBe('bye')
    },
  )

  it('in a 183 and at once in a 200, is left once', async () => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    const first = new PeerDialog(PHONE)
    const body = unusable(invite, withoutAudio)
    invite.progress(183, { body })
    first.dialog = invite.accept({ body }, first.handler)
    await takenBySecond(made)
    expect(first.ended).toBe('bye')
  })

  it('in a 183 and at once refuses, goes to each other trunk once', async () => {
    const third = trunkConfig({ name: 'third', host: '127.0.0.1', port: 5072, codecs: ['PCMA'] })
    const { made } = call(await open({}, {}, [third]))
    const invite = await ringing(gateway, gateway.trunk)
    inOneBreath(gateway, () => {
      invite.progress(183, { body: unusable(invite, withoutAudio) })
      invite.reject(503)
    })
    ;(await ringing(gateway, second())).reject(503)
    const other = await ringing(gateway, gateway.trunkAt(5072).peer)
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect([statusOf(made), gateway.calls.size]).toEqual([200, 1])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('in plain RTP, where the trunk must have keys, goes to the next trunk', async () => {
    const { made } = call(await open({}, { media: 'sdes' }))
    const invite = await ringing(gateway, gateway.trunk)
    const plain = (text: string): string =>
      text.replace('RTP/SAVP', 'RTP/AVP').replace(/^a=crypto.*\r\n/gm, '')
    invite.progress(183, {
      body: {
        contentType: 'application/sdp',
        bytes: Buffer.from(plain(invite.request.body.toString())),
      },
    })
    await takenBySecond(made)
  })

  it('in a 183 of the last trunk, waits for what its 200 says', async () => {
    const { made } = call(await open())
    ;(await ringing(gateway, gateway.trunk)).reject(503)
    const invite = await ringing(gateway, second())
    invite.progress(183, { body: unusable(invite, withoutAudio) })
    await gateway.time.advance(200)
    expect(made.progress.map(({ status, body }) => [status, body.length])).toContainEqual([183, 0])
    const phone = new PeerDialog(PHONE)
    phone.dialog = invite.accept({ body: answerTo(invite, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(200)
    expect(gateway.logged('early answer cannot be used')).toHaveLength(1)
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('by every trunk ends with what the last one said', async () => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    invite.accept({ body: unusable(invite, withoutAudio) }, quiet)
    const other = await ringing(gateway, second())
    other.accept({ body: unusable(other, inAnotherCodec) }, quiet)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(488)
    gateway.expectsVerdicts('sdp.no-common-codec')
  })
})

describe('an emergency call that a transfer makes', () => {
  /** A call of the first trunk to a browser, which sends it on to 112. */
  const transferring = async (): Promise<AnsweredCall> => {
    const alice = await open()
    const call = await answered(
      gateway,
      { peer: gateway.trunk, user: '030', local: PHONE },
      { peer: alice, number: 'alice', local: BROWSER },
    )
    const refer = { headers: [{ name: 'Refer-To', value: '<sip:112@example.com>' }] }
    call.callee.dialog?.request('REFER', refer, () => {})
    return call
  }

  it('leaves a trunk that answers what nobody can use', async () => {
    const held = await transferring()
    const invite = await ringing(gateway, gateway.trunk)
    const first = new PeerDialog(PHONE)
    first.dialog = invite.accept({ body: unusable(invite, withoutAudio) }, first.handler)
    const other = await ringing(gateway, second())
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect([first.ended, held.callee.ended, held.caller.ended, phone.ended]).toEqual([
      'bye',
      'bye',
      undefined,
      undefined,
    ])
    phone.dialog.bye()
    await gateway.time.advance(200)
    expect(held.caller.ended).toBe('bye')
  })

  it('leaves a trunk with which media fails, and is decided by the 200 of the last one', async () => {
    const held = await transferring()
    await ringing(gateway, gateway.trunk)
    gateway.observers.at(-1)?.onFailure('transfer-1', new MediaFailure('media.internal'))
    const other = await ringing(gateway, second())
    other.progress(183, { body: unusable(other, withoutAudio) })
    await gateway.time.advance(200)
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect([held.callee.ended, held.caller.ended, phone.ended]).toEqual(['bye', undefined, undefined])
    phone.dialog.bye()
    await gateway.time.advance(200)
  })
})

describe('an emergency call whose media with the first trunk fails', () => {
  it('before the answer goes to the next trunk', async () => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, PHONE) })
    await gateway.time.advance(200)
    gateway.observers.at(-1)?.onFailure('callee', new MediaFailure('dtls.handshake-failed'))
    const other = await ringing(gateway, second())
    const phone = new PeerDialog(PHONE)
    phone.dialog = other.accept({ body: answerTo(other, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    expect(statusOf(made)).toBe(200)
    phone.dialog.bye()
    await gateway.time.advance(200)
  })

  it('after the answer ends', async () => {
    const { made } = call(await open())
    const invite = await ringing(gateway, gateway.trunk)
    const phone = new PeerDialog(PHONE)
    phone.dialog = invite.accept({ body: answerTo(invite, PHONE) }, phone.handler)
    await gateway.time.advance(500)
    gateway.observers.at(-1)?.onFailure('callee', new MediaFailure('dtls.handshake-failed'))
    await gateway.time.advance(500)
    expect([statusOf(made), phone.ended, second().invites]).toEqual([200, 'bye', []])
    gateway.expectsVerdicts('dtls.handshake-failed')
  })
})
