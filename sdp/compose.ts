import type { Codec, Direction, LocalTransport, RtpLocal, SdesKey, WebrtcLocal } from '../media/parameters.ts'
import { addressFamilyOf } from './address.ts'
import { formatCrypto } from './crypto.ts'
import { type Attribute, EMPTY_SECTION, type MediaSection, type SessionDescription } from './description.ts'
import { sends } from './direction.ts'
import { describeDtls } from './dtls.ts'
import { DEFAULT_PTIME_MS } from './payload-types.ts'
import type { LocalOrigin, MediaSlots, Section } from './session.ts'

/** What an offer and an answer of ours have in common. */
export interface Composition {
  readonly role: 'offer' | 'answer'
  readonly local: LocalTransport
  readonly codecs: readonly Codec[]
  readonly origin: LocalOrigin
  readonly direction: Direction
  readonly ptimeMs?: number | undefined
  /** The m-lines of the dialog; undefined: ours is the first and only one. */
  readonly slots?: MediaSlots | undefined
  /** DTLS role, where there is DTLS; default `actpass`. */
  readonly setup?: 'active' | 'passive'
  /** Whether the peer names its DTLS association, and so is told ours. */
  readonly hasTlsId?: boolean
  /** Profile of a trunk leg; the peer's, where the slot is there already. */
  readonly protocol?: string
  /** Keys of a trunk leg; default: all of `local.crypto`. */
  readonly crypto?: readonly SdesKey[]
  /** Trunk leg: RTCP on the RTP port. */
  readonly isMuxed?: boolean
  /** Browser leg: whether the peer knows BUNDLE; default true. */
  readonly isBundled?: boolean
}

/** One audio section that lives, in its slot; every other slot is rejected. */
export function composeDescription(input: Composition): SessionDescription {
  const { local, slots } = input
  const slot = slots?.sections[slots.audioIndex]
  const audio = local.kind === 'webrtc' ? browserAudio(input, local, slot) : trunkAudio(input, local, slot)
  const sections = slots?.sections.map((section, index) => {
    return index === slots.audioIndex ? audio : rejectedSection(section, local.kind === 'webrtc')
  })
  const connection = localConnection(local)
  return {
    origin: {
      username: '-',
      sessionId: input.origin.sessionId,
      version: String(input.origin.version),
      ...connection,
    },
    name: '-',
    connection,
    lines: [{ type: 't', value: '0 0' }],
    attributes: local.kind === 'webrtc' ? browserSession(input, audio.mid) : [],
    sections: sections ?? [audio],
  }
}

function localConnection(local: LocalTransport) {
  const address = local.kind === 'rtp' ? local.rtp.address : firstCandidate(local).address
  return { family: addressFamilyOf(address), address }
}

function firstCandidate(local: WebrtcLocal) {
  const [candidate] = local.candidates
  if (candidate === undefined) throw new TypeError('a browser leg needs at least one candidate')
  return candidate
}

/** Lite is told at session level only (RFC 8839 §5.3). `ice2`: we follow RFC 8445, and say so as its §10 demands. */
function browserSession(input: Composition, mid: string | undefined): Attribute[] {
  const isBundled = mid !== undefined && (input.isBundled ?? true)
  return [
    ...(isBundled ? [attribute('group', `BUNDLE ${mid}`)] : []),
    attribute('ice-lite'),
    attribute('ice-options', 'ice2'),
  ]
}

function browserAudio(input: Composition, local: WebrtcLocal, slot: Section | undefined): MediaSection {
  return {
    ...audioSection(input, firstCandidate(local).port),
    protocol: slot?.protocol ?? 'UDP/TLS/RTP/SAVPF',
    mid: slot === undefined ? '0' : slot.mid,
    attributes: [
      attribute(input.direction),
      attribute('rtcp-mux'),
      ...(input.role === 'offer' ? [attribute('rtcp-mux-only')] : []),
      attribute('ice-ufrag', local.ice.ufrag),
      attribute('ice-pwd', local.ice.pwd),
      ...describeDtls(
        local.fingerprint,
        input.setup ?? 'actpass',
        input.hasTlsId === true ? local.tlsId : undefined,
      ),
      ...local.candidates.map((candidate) => {
        const { foundation, priority } = candidate
        return attribute(
          'candidate',
          `${foundation} 1 udp ${priority} ${candidate.address} ${candidate.port} typ host`,
        )
      }),
      attribute('end-of-candidates'),
      ...(sends(input.direction) ? [attribute('msid', `${local.cname} audio`)] : []),
      // Also while nothing is sent: Chromium drops a source that is named no more, with what listened to it, and hears nothing
      // of it when it comes back.
      attribute('ssrc', `${local.ssrc} cname:${local.cname}`),
    ],
  }
}

function trunkAudio(input: Composition, local: RtpLocal, slot: Section | undefined): MediaSection {
  const crypto = input.crypto ?? local.crypto
  const isMuxed = input.isMuxed ?? false
  const hasOddRtcpPort = !isMuxed && local.rtcpPort !== local.rtp.port + 1
  return {
    ...audioSection(input, local.rtp.port),
    protocol: slot?.protocol ?? input.protocol ?? (crypto.length > 0 ? 'RTP/SAVP' : 'RTP/AVP'),
    mid: slot?.mid,
    rtcp: hasOddRtcpPort ? { port: local.rtcpPort, connection: undefined } : undefined,
    attributes: [
      ...crypto.map(formatCrypto),
      attribute(input.direction),
      ...(isMuxed ? [attribute('rtcp-mux')] : []),
      ...trunkDtls(input, local),
    ],
  }
}

function trunkDtls(input: Composition, { dtls }: RtpLocal): readonly Attribute[] {
  if (dtls === undefined) return []
  const tlsId = input.hasTlsId === true ? dtls.tlsId : undefined
  return describeDtls(dtls.fingerprint, input.setup ?? 'actpass', tlsId)
}

function audioSection(input: Composition, port: number): Omit<MediaSection, 'protocol'> {
  const { codecs } = input
  return {
    ...EMPTY_SECTION,
    media: 'audio',
    port,
    formats: codecs.map(({ payloadType }) => String(payloadType)),
    rtpmaps: codecs.map(({ payloadType, name, clockRateHz, channels }) => {
      return { payloadType, name, clockRateHz, channels }
    }),
    fmtps: codecs.flatMap(({ payloadType, format }) =>
      format === undefined ? [] : [{ payloadType, format }],
    ),
    ptime: input.ptimeMs ?? DEFAULT_PTIME_MS,
  }
}

/** RFC 3264 §6: port 0, one of the offered formats. The mid stays out of the BUNDLE group (RFC 9143 §7.3). */
function rejectedSection(section: Section, isBrowser: boolean): MediaSection {
  const [format = '0'] = section.formats.split(' ')
  return {
    ...EMPTY_SECTION,
    media: section.media,
    port: 0,
    protocol: section.protocol,
    formats: [format],
    mid: section.mid,
    attributes: isBrowser ? [attribute('inactive')] : [],
  }
}

function attribute(name: string, value?: string): Attribute {
  return { name, value }
}
