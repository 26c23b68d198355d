import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type RtpLocal,
  type SdesKey,
  SRTP_SUITES,
  type SrtpSuite,
  type WebrtcLocal,
} from '../../../media/parameters.ts'
import { SdpFailure } from '../../../sdp/failure.ts'
import type { LocalOrigin } from '../../../sdp/session.ts'

/**
 * Captured from Chromium, Firefox ESR and baresip 1.0.0. Those `in-the-manner-of` a peer are written by hand after its
 * published configuration guides and the issues that `interop-quirks` rows 1-3 and 21 rest on (asterisk#825,
 * janus#214, FreeSWITCH's suite table, livekit/sip#779).
 */
const FOLDER = join(import.meta.dirname, '..', '..', 'fixtures', 'sdp')

export const FIXTURES = readdirSync(FOLDER).filter((name) => name.endsWith('.sdp'))

export function fixture(name: string): Uint8Array {
  return readFileSync(join(FOLDER, name.endsWith('.sdp') ? name : `${name}.sdp`))
}

export function fixtureText(name: string): string {
  return Buffer.from(fixture(name)).toString('utf8')
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Lines with the CRLF that they need. */
export function sdp(...lines: readonly string[]): Uint8Array {
  return bytes(`${lines.join('\r\n')}\r\n`)
}

export const FINGERPRINT = Array.from({ length: 32 }, (_, index) => {
  return (index + 160).toString(16).toUpperCase()
}).join(':')

/** A browser's offer in few lines. `without` drops lines by their beginning, `session` and `media` add some. */
export function browserOffer(
  change: {
    readonly without?: readonly string[]
    readonly session?: readonly string[]
    readonly media?: readonly string[]
    readonly mLine?: string
  } = {},
): Uint8Array {
  const keep = (line: string) => !change.without?.some((start) => line.startsWith(start))
  const session = ['v=0', 'o=- 4611731400430051336 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0']
  const media = [
    change.mLine ?? 'm=audio 9 UDP/TLS/RTP/SAVPF 111 0 126 110',
    'c=IN IP4 0.0.0.0',
    'a=mid:0',
    'a=ice-ufrag:F7gI',
    'a=ice-pwd:x9cml/YzichV2+XlhiMu8g',
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    'a=setup:actpass',
    'a=rtcp-mux',
    'a=sendrecv',
    'a=rtpmap:111 opus/48000/2',
    'a=rtpmap:126 telephone-event/8000',
    'a=rtpmap:110 telephone-event/48000',
  ]
  return sdp(
    ...session.filter(keep),
    ...(change.session ?? []),
    ...media.filter(keep),
    ...(change.media ?? []),
  )
}

/** A trunk's offer or answer: `audio` replaces the m-line, `lines` follow it. */
export function trunkSdp(
  audio: string,
  lines: readonly string[] = [],
  session: readonly string[] = [],
): Uint8Array {
  return sdp(
    'v=0',
    'o=- 1 1 IN IP4 198.51.100.20',
    's=-',
    'c=IN IP4 198.51.100.20',
    't=0 0',
    ...session,
    audio,
    ...lines,
  )
}

export const ORIGIN: LocalOrigin = { sessionId: '1600000001', version: 1 }

export const WEBRTC_LOCAL: WebrtcLocal = {
  kind: 'webrtc',
  ice: { ufrag: 'gatewayUfrag', pwd: 'gatewayPasswordOf24Chars' },
  candidates: [
    { foundation: '1', priority: 2130706431, address: '203.0.113.2', port: 4433, type: 'host' },
    { foundation: '2', priority: 2130706175, address: '2001:db8:1::2', port: 4433, type: 'host' },
  ],
  fingerprint: { hash: 'sha-256', value: FINGERPRINT },
  ssrc: 305419896,
  cname: 'pY3lBnX8',
}

export const SUITE_80: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80'
export const SUITE_32: SrtpSuite = 'AES_CM_128_HMAC_SHA1_32'

export function sdesKey(tag: number, suite: SrtpSuite, fill: number): SdesKey {
  const { keyLength, saltLength } = SRTP_SUITES[suite]
  const bytes = new Uint8Array(keyLength + saltLength).fill(fill)
  const redacted = () => '[redacted]'
  return { tag, suite, keySalt: { reveal: () => bytes, toString: redacted, toJSON: redacted } }
}

export const RTP_LOCAL: RtpLocal = {
  kind: 'rtp',
  rtp: { address: '203.0.113.10', port: 30_000 },
  rtcpPort: 30_001,
  crypto: [],
  ssrc: 19088743,
  cname: 'k2Wc9QzA',
}

export const SDES_LOCAL: RtpLocal = {
  ...RTP_LOCAL,
  crypto: [sdesKey(1, SUITE_80, 0x11), sdesKey(2, SUITE_32, 0x22)],
}

/** The code that `action` fails with; any other outcome is the test's failure. */
export function failureOf(action: () => unknown): string {
  return failure(action).code
}

export function failure(action: () => unknown): SdpFailure {
  try {
    action()
  } catch (error) {
    if (error instanceof SdpFailure) return error
    throw error
  }
  throw new Error('it did not fail')
}

export function linesOf(text: string): string[] {
  return text.split('\r\n').filter((line) => line !== '')
}
