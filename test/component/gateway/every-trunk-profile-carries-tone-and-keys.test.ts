import { afterEach, expect, test } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { PROFILE_NAMES, PROFILES } from '../../../config/trunk-profiles.ts'
import { sine, toneMs } from '../../../gateway/selftest/selftest-tone.ts'
import {
  type Codec,
  type RtpLocal,
  SRTP_SUITES,
  type SrtpSuite,
  type TransportAddress,
  type WebrtcLocal,
} from '../../../media/parameters.ts'
import { createAnswer } from '../../../sdp/answer.ts'
import { readOffer } from '../../../sdp/offer.ts'
import type { TrunkTerms } from '../../../sdp/trunk-terms.ts'
import { decodeG711, encodeG711 } from '../../harness/g711.ts'
import { openBrowser } from '../../harness/media-bench.ts'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { parseBareRtp, rtp } from '../../harness/rtp-packet.ts'
import type { ScriptedBrowser } from '../../harness/scripted-browser.ts'
import { offerOf, place, quiet, ringing, sdp, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { sdesKey } from '../../harness/scripted-trunk.ts'
import { SrtpReference } from '../../harness/srtp-reference.ts'
import { repeatUntil, until } from '../../harness/until.ts'

// The matrix: for each profile of trunk and each suite one call from a browser, a tone recognised at both ends, and a key pressed at
// either end that the other one hears. SIP in memory, media over UDP: the browser is werift's DTLS and SRTP, the trunk SRTP by the
// letter of the RFCs, or werift's DTLS.

const ORIGIN = { sessionId: '1', version: 1 }
const [TRUNK_HZ, BROWSER_HZ] = [440, 1_000]
const PACKETS = 40
const PCMU = 0
const EVENT = 101

interface Case {
  readonly name: string
  readonly trunk: Partial<TrunkConfig>
  /** How the trunk reads our offer, of whose suites it takes `suite`. */
  readonly keying: TrunkTerms['keying']
  readonly suite: SrtpSuite | undefined
  readonly protocol: string
}

const plain = (name: string, trunk: Partial<TrunkConfig>, protocol = 'RTP/AVP'): Case => ({
  name,
  trunk,
  keying: 'none',
  suite: undefined,
  protocol,
})
const keyed = (
  name: string,
  trunk: Partial<TrunkConfig>,
  suite: SrtpSuite,
  protocol = 'RTP/SAVP',
  keying: TrunkTerms['keying'] = 'sdes',
): Case => ({ name: `${name} ${suite}`, trunk, keying, suite, protocol })
const handshake = (name: string, trunk: Partial<TrunkConfig>, protocol: string): Case => ({
  name,
  trunk,
  keying: 'dtls',
  suite: undefined,
  protocol,
})

const NAMED: readonly Case[] = PROFILE_NAMES.flatMap((name) => {
  const profile = PROFILES[name]
  const secured = { ...profile, profile: name, media: 'sdes' } as const
  return [
    ...(profile.media === 'rtp' ? [plain(`${name} plain`, { ...profile, profile: name })] : []),
    ...profile.suites.map((suite) => keyed(name, secured, suite)),
  ]
})
const GENERIC = PROFILES.generic
const tried = new Set(NAMED.map(({ suite }) => suite))
const SUITES = (Object.keys(SRTP_SUITES) as SrtpSuite[]).filter((suite) => !tried.has(suite))
const SUITE = 'AES_CM_128_HMAC_SHA1_80'
const OSRTP = { ...GENERIC, osrtp: 'optional' } as const
const CASES: readonly Case[] = [
  ...NAMED,
  ...SUITES.map((suite) => keyed('sdes', { ...GENERIC, media: 'sdes', suites: [suite] }, suite)),
  plain('AVPF', { ...GENERIC, avpf: true }, 'RTP/AVPF'),
  keyed('SAVPF', { ...GENERIC, media: 'sdes', avpf: true }, SUITE, 'RTP/SAVPF'),
  keyed('OSRTP', OSRTP, SUITE, 'RTP/AVP', 'osrtp'),
  plain('OSRTP, refused', OSRTP),
  keyed('OSRTP required', { ...OSRTP, osrtp: 'required' }, SUITE, 'RTP/AVP', 'osrtp-required'),
  handshake('DTLS SAVP', { ...GENERIC, media: 'dtls' }, 'UDP/TLS/RTP/SAVP'),
  handshake('DTLS SAVPF', { ...GENERIC, media: 'dtls', avpf: true }, 'UDP/TLS/RTP/SAVPF'),
]

interface Heard {
  readonly payloadType: number
  readonly timestamp: number
  readonly payload: Buffer
}

/** One end of a call's media. */
interface End {
  send(payloadType: number, payload: Buffer, timestamp: number): void
  heard(): readonly Heard[]
}

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const ofBrowser = (browser: ScriptedBrowser): WebrtcLocal => {
  const { ice, fingerprints } = browser.remote
  const { rtp: address } = browser.trunk
  const fingerprint = fingerprints[0] ?? { hash: 'sha-256', value: '' }
  const candidate = { ...address, foundation: '1', priority: 1, type: 'host' } as const
  return { kind: 'webrtc', ice, fingerprint, candidates: [candidate], ssrc: browser.ssrc, cname: 'b' }
}

/** Where and by which credentials an answer of ours wants checks. */
function checksOf(answer: string): WebrtcLocal {
  const value = (pattern: RegExp): string => pattern.exec(answer)?.[1] ?? ''
  return {
    kind: 'webrtc',
    ice: { ufrag: value(/^a=ice-ufrag:(\S+)/m), pwd: value(/^a=ice-pwd:(\S+)/m) },
    candidates: [
      {
        foundation: '1',
        priority: 1,
        type: 'host',
        address: '127.0.0.1',
        port: Number(value(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/m)),
      },
    ],
    fingerprint: { hash: 'sha-256', value: '' },
    ssrc: 0,
    cname: '',
  }
}

const browserEnd = (browser: ScriptedBrowser): End => ({
  send: (payloadType, payload, timestamp) => browser.sendRtp(payloadType, payload, timestamp),
  heard: () => browser.received,
})

interface TrunkEnd extends End {
  readonly local: (tag: number) => RtpLocal
  /** Our offer is here: where to send, and the key that we send with. */
  connect(to: TransportAddress, keySalt: Uint8Array | undefined): void
  start(): void
}

async function udpTrunk(suite: SrtpSuite | undefined): Promise<TrunkEnd> {
  const peer = await UdpPeer.open()
  const keys = suite === undefined ? undefined : new SrtpReference(suite)
  const heard: Heard[] = []
  let target: TransportAddress = peer.address
  let sequence = 1
  let taken = 0
  return {
    local: (tag) => ({
      kind: 'rtp',
      rtp: peer.address,
      rtcpPort: peer.address.port + 1,
      crypto: suite === undefined || keys === undefined ? [] : [sdesKey(tag, suite, keys.toRelay)],
      ssrc: 2,
      cname: 't',
    }),
    connect: (to, keySalt) => {
      target = to
      if (keySalt !== undefined) keys?.receiveWith(Buffer.from(keySalt))
    },
    start: () => {},
    send: (payloadType, payload, timestamp) => {
      const packet = rtp({ payloadType, payload, timestamp, sequence: sequence++ })
      peer.send(keys?.protect(packet) ?? packet, target)
    },
    heard: () => {
      for (; taken < peer.received.length; taken++) {
        const bytes = peer.received[taken]?.bytes ?? Buffer.alloc(0)
        // Each packet is decrypted: what came in clear where keys were agreed on throws.
        if ((bytes.readUInt8(1) & 0x7f) < 72 || (bytes.readUInt8(1) & 0x7f) > 76)
          heard.push(parseBareRtp(keys?.unprotect(bytes) ?? bytes))
      }
      return heard
    },
  }
}

async function dtlsTrunk(): Promise<TrunkEnd> {
  const peer = await openBrowser({ setup: 'active' })
  const [fingerprint] = peer.trunk.dtls?.fingerprints ?? []
  if (fingerprint === undefined) throw new Error('no certificate')
  return {
    ...browserEnd(peer),
    local: () => ({
      kind: 'rtp',
      rtp: peer.trunk.rtp,
      rtcpPort: peer.trunk.rtp.port,
      crypto: [],
      dtls: { fingerprint, tlsId: 'x'.repeat(20) },
      ssrc: 2,
      cname: 't',
    }),
    connect: (to) => peer.aim(to),
    start: () => peer.startDtls(),
  }
}

const codecsOf = (codecs: readonly Codec[]): readonly Codec[] =>
  codecs.filter(
    ({ name, clockRateHz }) => name === 'PCMU' || (name === 'telephone-event' && clockRateHz === 8_000),
  )

const voice = (frequencyHz: number): Uint8Array => encodeG711('PCMU', sine(8_000, frequencyHz, PACKETS * 20))

/** Sends a tone until the other end has heard enough of it. */
async function expectTone(from: End, to: End, frequencyHz: number): Promise<void> {
  const samples = voice(frequencyHz)
  let at = 0
  await repeatUntil(
    () => {
      const payload = Buffer.from(samples.subarray((at % PACKETS) * 160, ((at % PACKETS) + 1) * 160))
      from.send(PCMU, payload, at * 160)
      at += 1
    },
    () => {
      const payloads = to
        .heard()
        .flatMap(({ payloadType, payload }) => (payloadType === PCMU ? [payload] : []))
      const pcm = decodeG711('PCMU', Buffer.concat(payloads))
      return toneMs(pcm, { sampleRateHz: 8_000, frequencyHz }) >= 300
    },
    5,
  )
}

/** Digits whose end was heard, each by its timestamp once. */
const digitsOf = (end: End): string => {
  const ended = end.heard().filter(({ payloadType, payload }) => {
    return payloadType === EVENT && payload.length === 4 && (payload.readUInt8(1) & 0x80) !== 0
  })
  const byTime = new Map(ended.map(({ timestamp, payload }) => [timestamp, payload.readUInt8(0)]))
  return [...byTime.values()].join('')
}

/** RFC 4733 §2.5: three packets of it, the last one three times. */
async function expectDigits(from: End, to: End, digits: string): Promise<void> {
  let timestamp = 1_000_000
  for (const digit of digits) {
    timestamp += 4_000
    for (const [duration, isEnd] of [
      [160, 0],
      [320, 0],
      [480, 0],
      [640, 0x80],
      [640, 0x80],
      [640, 0x80],
    ] as const) {
      from.send(EVENT, Buffer.from([Number(digit), isEnd | 10, duration >> 8, duration & 0xff]), timestamp)
    }
  }
  await until(() => digitsOf(to).length >= digits.length)
  expect(digitsOf(to)).toBe(digits)
}

test.each(CASES)('$name', async ({ trunk: config, keying, suite, protocol }) => {
  gateway = await ScriptedGateway.open({}, config)
  gateway.verdicts.isWithoutMedia = false
  const browser = await openBrowser()
  const trunk = await (keying === 'dtls' ? dtlsTrunk() : udpTrunk(suite))

  const call = place(await gateway.registered('alice'), 'alice', '0100', {
    body: offerOf(ofBrowser(browser)),
  })
  const invite = await ringing(gateway, gateway.trunk)
  const text = invite.request.body.toString()
  expect(text).toMatch(new RegExp(`^m=audio \\d+ ${protocol} `, 'm'))
  const offer = readOffer(invite.request.body, 'rtp', { keying, suites: suite === undefined ? [] : [suite] })
  if (offer.transport.kind !== 'rtp') throw new Error('no trunk')
  const { crypto } = offer.transport
  expect(crypto?.suite).toBe(suite)
  const local = trunk.local(crypto?.tag ?? 0)
  trunk.connect(offer.transport.rtp, crypto?.keySalt.reveal())
  const answer = createAnswer({
    offer,
    local,
    codecs: codecsOf(offer.codecs),
    origin: ORIGIN,
    direction: 'sendrecv',
    crypto: local.crypto[0],
  })
  // Both ends want to be the client of their association.
  invite.accept({ body: sdp(answer.replace('a=setup:passive', 'a=setup:active')) }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  await browser.check(checksOf(typeof call.final === 'object' ? call.final.body.toString() : ''))
  browser.startDtls()
  trunk.start()
  await browser.connected()

  const ends = [browserEnd(browser), trunk] as const
  await expectTone(ends[0], ends[1], BROWSER_HZ)
  await expectTone(ends[1], ends[0], TRUNK_HZ)
  await expectDigits(ends[0], ends[1], '15')
  await expectDigits(ends[1], ends[0], '20')
  call.dialog?.bye()
  await gateway.time.advance(100)
})
