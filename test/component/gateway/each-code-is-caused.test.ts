import { afterEach, describe, expect, it } from 'vitest'
import type { RtpLocal, SrtpSuite } from '../../../media/parameters.ts'
import { createAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { freePortRange } from '../../harness/ports.ts'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  type PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  quiet,
  reasonText,
  reinviteWithoutOffer,
  reofferOf,
  ringing,
  sdp,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { sdesKey } from '../../harness/scripted-trunk.ts'

afterEach(closeAll)

const ORIGIN = { sessionId: '1', version: 1 }
const textOf = (local: Parameters<typeof createOffer>[0]['local']): string =>
  createOffer({ local, codecs: STANDARD_CODECS, origin: ORIGIN, direction: 'sendrecv' }).text
const without = (pattern: RegExp) => (text: string) => text.replace(pattern, '')

/** The code and the leg by which the newest call failed, and that the caller was told the code. */
function expectFailure(gateway: ScriptedGateway, call: PlacedCall, code: string, leg: string): void {
  const [report] = gateway.calls.history.list()
  expect(report?.verdict).toMatchObject({ code, leg })
  expect(reasonText(call) ?? call.endedBy).toContain(`text="${code}"`)
}

describe("S2: a browser's offer", () => {
  it.each([
    ['sdp.malformed', () => 'hello'],
    ['sdp.too-large', (text: string) => `${text}${'a=x:y\r\n'.repeat(2_000)}`],
    ['sdp.no-audio', (text: string) => text.replace(/^m=audio/m, 'm=image')],
    ['sdp.no-fingerprint', without(/^a=fingerprint:.*\r\n/gm)],
    ['sdp.unknown-fingerprint-hash', (text: string) => text.replace(/sha-256/g, 'sha-1')],
    ['sdp.no-ice', without(/^a=ice-(ufrag|pwd):.*\r\n/gm)],
    ['sdp.no-rtcp-mux', without(/^a=rtcp-mux.*\r\n/gm)],
    ['sdp.bad-setup', (text: string) => text.replace(/a=setup:\w+/, 'a=setup:holdconn')],
    ['sdp.profile-mismatch', (text: string) => text.replace('UDP/TLS/RTP/SAVPF', 'RTP/AVP')],
    [
      'sdp.no-common-codec',
      (text: string) => text.replace(/PCM[UA]\/8000/g, 'GSM/8000').replace(/G722\/8000/g, 'LPC/8000'),
    ],
  ] as const)('%s', async (code, alter) => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100', { body: sdp(alter(textOf(BROWSER))) })
    await gateway.time.advance(1_000)
    const [report] = gateway.calls.history.list()
    expect(report?.verdict).toMatchObject({ stage: 'S2', code })
    expect(reasonText(call)).toContain(`text="${code}"`)
    gateway.expectsVerdicts(code)
  })
})

const KEY = sdesKey(1, 'AES_CM_128_HMAC_SHA1_80' as SrtpSuite, Buffer.alloc(30, 7))

describe("S2: a trunk's answer", () => {
  it.each([
    ['sdp.rejected', 'rtp', (text: string) => text.replace(/^m=audio \d+/m, 'm=audio 0')],
    ['sdp.line-mismatch', 'rtp', (text: string) => `${text}m=video 0 RTP/AVP 31\r\n`],
    ['sdp.no-usable-crypto', 'sdes', without(/^a=crypto:.*\r\n/gm)],
    ['sdp.crypto-mismatch', 'sdes', (text: string) => text.replace(/^a=crypto:1 /m, 'a=crypto:9 ')],
  ] as const)('%s', async (code, media, alter) => {
    const gateway = closing(await ScriptedGateway.open({}, { media }))
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    const local = { ...(PHONE as RtpLocal), crypto: media === 'sdes' ? [KEY] : [] }
    const suites = media === 'sdes' ? [KEY.suite] : []
    const offer = readOffer(invite.request.body, 'rtp', { suites })
    const codecs = answerableCodecs(offer, offer.codecs)
    const answer = createAnswer({ offer, local, codecs, origin: ORIGIN, direction: 'sendrecv' })
    invite.accept({ body: sdp(alter(answer)) }, quiet)
    await gateway.time.advance(1_000)
    expectFailure(gateway, call, code, 'callee')
    gateway.expectsVerdicts(code)
  })
})

describe('S1: trunks', () => {
  it.each([
    ['trunk.too-large-for-udp', 12],
    ['trunk.unreachable', 0],
  ] as const)('%s', async (code, lines) => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await gateway.registered('alice')
    gateway.trunkFlow.drops = () => true
    const headers = Array.from({ length: lines }, (_, index) => ({
      name: `X-${index}`,
      value: 'x'.repeat(100),
    }))
    const call = place(alice, 'alice', '0100', { headers })
    await gateway.time.advance(40_000)
    expectFailure(gateway, call, code, 'callee')
    gateway.expectsVerdicts(code)
  })
})

describe('S6: no port for the trunk', () => {
  const ONE = 2
  async function withoutPorts(): Promise<{ gateway: ScriptedGateway; alice: Peer; call: AnsweredCall }> {
    const rtpPortMin = await freePortRange(ONE)
    const gateway = closing(
      await ScriptedGateway.open({}, {}, { media: { rtpPortMin, rtpPortMax: rtpPortMin + ONE - 1 } }),
    )
    const alice = await gateway.registered('alice')
    const from = { peer: alice, user: 'alice', local: BROWSER }
    const call = await answered(gateway, from, { peer: gateway.trunk, number: '0100', local: PHONE })
    return { gateway, alice, call }
  }

  it('media.no-port stands on the leg of the trunk', async () => {
    const { gateway, alice, call } = await withoutPorts()
    const refused = place(alice, 'alice', '0101')
    await gateway.time.advance(500)
    expect(reasonText(refused)).toContain('text="media.no-port"')
    const report = gateway.calls.history.list().find(({ state }) => state === 'ended')
    expect(report?.verdict).toMatchObject({ code: 'media.no-port', leg: 'callee' })
    call.caller.dialog?.bye()
    const failed = report?.legs.flatMap(({ name, rungs }) =>
      rungs.flatMap(({ stage, state }) => (state === 'failed' ? [`${name} ${stage}`] : [])),
    )
    expect(new Set(failed)).toEqual(new Set(['callee S6']))
    gateway.expectsVerdicts('media.no-port')
  })

  it('media.no-port: a transfer to a trunk fails, and leaves no leg in the call', async () => {
    const { gateway, call } = await withoutPorts()
    const { caller } = call
    const target = { name: 'Refer-To', value: '<sip:0102@example.com>' }
    caller.dialog?.request('REFER', { headers: [target] }, () => {})
    await gateway.time.advance(500)
    const [report] = gateway.calls.history.list()
    expect(gateway.logged('transfer refused').map(({ fields }) => fields.code)).toEqual(['media.no-port'])
    expect([report?.state, report?.legs.map(({ name }) => name)]).toEqual(['connected', ['caller', 'callee']])
    expect(report?.timeline.filter(({ what }) => what === 'dropped')).toHaveLength(1)
    caller.dialog?.bye()
  })
})

describe('S1: in a call', () => {
  async function inCall(): Promise<{
    gateway: ScriptedGateway
    alice: Peer
    caller: PeerDialog
    callee: PeerDialog
  }> {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await gateway.registered('alice')
    const from = { peer: alice, user: 'alice', local: BROWSER }
    const call = await answered(gateway, from, { peer: gateway.trunk, number: '0100', local: PHONE })
    return { gateway, alice, ...call }
  }

  it('call.contact-unreachable', async () => {
    const { gateway, caller } = await inCall()
    gateway.trunkFlow.drops = () => true
    const local = BROWSER
    const { text } = createOffer({
      local,
      codecs: STANDARD_CODECS,
      origin: { sessionId: '1', version: 2 },
      direction: 'sendonly',
    })
    await caller.reoffer(gateway, sdp(text))
    await gateway.time.advance(40_000)
    expect(gateway.calls.history.list()[0]?.verdict).toMatchObject({
      stage: 'S1',
      code: 'call.contact-unreachable',
      leg: 'callee',
    })
    gateway.expectsVerdicts('call.contact-unreachable')
  })

  it('call.dialog-lost: the trunk no longer knows the call', async () => {
    const { gateway, caller, callee } = await inCall()
    callee.answers = (reinvite) => reinvite.reject(481)
    await caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    await gateway.time.advance(1_000)
    expect(gateway.calls.history.list()[0]?.verdict).toMatchObject({
      code: 'call.dialog-lost',
      leg: 'callee',
    })
    gateway.expectsVerdicts('call.dialog-lost')
  })

  it('call.no-answer-body: the trunk answers a re-INVITE without an offer, and then not', async () => {
    const { gateway, caller, callee } = await inCall()
    // Its first request of its own in the dialog.
    await callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv'))
    await reinviteWithoutOffer(gateway, () => sdp(''))
    caller.dialog?.bye()
    await gateway.time.advance(1_000)
    expect(gateway.calls.history.list()[0]?.verdict).toMatchObject({
      code: 'call.no-answer-body',
      leg: 'callee',
    })
    gateway.expectsVerdicts('call.no-answer-body')
  })

  it('call.no-answer-body: the trunk answers a call without SDP', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const call = place(await gateway.registered('alice'), 'alice', '0100')
    ;(await ringing(gateway, gateway.trunk)).accept({}, quiet)
    await gateway.time.advance(1_000)
    expectFailure(gateway, call, 'call.no-answer-body', 'callee')
    gateway.expectsVerdicts('call.no-answer-body')
  })
})

describe('S1: who calls', () => {
  it('call.ack-missing: the caller never acknowledges', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await gateway.registered('alice')
    alice.flow.drops = (text) => text.startsWith('ACK ')
    place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.accept({ body: answerTo(invite, PHONE) }, quiet)
    await gateway.time.advance(70_000)
    expect(gateway.calls.history.list()[0]?.verdict).toMatchObject({
      code: 'call.ack-missing',
      leg: 'caller',
    })
    gateway.expectsVerdicts(['media.none-from-trunk', 'call.ack-missing'])
  })

  it('call.internal: a mistake of ours ends this call, with 500 and a stack in the log', async () => {
    const gateway = closing(await ScriptedGateway.open())
    const alice = await gateway.registered('alice')
    gateway.engine.openSession = () => Promise.reject(new Error('a defect'))
    const call = place(alice, 'alice', '0100')
    await gateway.time.advance(1_000)
    expect([statusOf(call), reasonText(call)]).toEqual([500, 'SIP;cause=500;text="call.internal"'])
    gateway.expectsInternalErrors(1)
    gateway.expectsVerdicts('call.internal')
  })

  it('trunk.unresolved: the name of the trunk has no address', async () => {
    const gateway = closing(
      await ScriptedGateway.open(
        {},
        { host: 'nowhere.example' },
        { resolver: { addresses: () => Promise.reject(new Error('ENOTFOUND')) } },
      ),
    )
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    await gateway.time.advance(1_000)
    expect(reasonText(call)).toContain('text="trunk.unresolved"')
    gateway.expectsVerdicts('trunk.unresolved')
  })

  it('trunk.no-route: the trunk has an address that no way leads to', async () => {
    const gateway = closing(
      await ScriptedGateway.open(
        {},
        { host: '2001:db8::1' },
        { resolver: { localAddressTowards: () => Promise.reject(new Error('connect ENETUNREACH')) } },
      ),
    )
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    await gateway.time.advance(1_000)
    expect(reasonText(call)).toContain('text="trunk.no-route"')
    const [report] = gateway.calls.history.list()
    expect(report?.verdict).toMatchObject({
      code: 'trunk.no-route',
      seen: '2001:db8::1: connect ENETUNREACH',
    })
    gateway.expectsVerdicts('trunk.no-route')
  })
})
