import type { Codec, Direction, LocalTransport, RtpLocal, SdesKey, WebrtcLocal } from '../media/parameters.ts'
import { addressFamilyOf } from './address.ts'
import { sharedSections } from './browser-audio.ts'
import { isAudio } from './codecs.ts'
import { formatCrypto } from './crypto.ts'
import { type Attribute, EMPTY_SECTION, type MediaSection, type SessionDescription } from './description.ts'
import { receives, sends, toDirection } from './direction.ts'
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

/** The audio in its slot, of a browser in two perhaps (`chooseBrowserAudio`); every other slot is rejected, but for those that wait. */
export function composeDescription(input: Composition): SessionDescription {
  const { local } = input
  const sections = local.kind === 'webrtc' ? browserSections(input, local) : trunkSections(input, local)
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
    attributes: local.kind === 'webrtc' ? browserSession(input, sections) : [],
    sections,
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
function browserSession(input: Composition, sections: readonly MediaSection[]): Attribute[] {
  const { slots } = input
  const shared = slots === undefined ? [0] : sharedSections(slots, slots.bundle)
  const mids = shared.flatMap((index) => (sections[index]?.port === 0 ? [] : (sections[index]?.mid ?? [])))
  const isBundled = mids.length > 0 && (input.isBundled ?? true)
  return [
    ...(isBundled ? [attribute('group', `BUNDLE ${mids.join(' ')}`)] : []),
    attribute('ice-lite'),
    attribute('ice-options', 'ice2'),
  ]
}

function browserSections(input: Composition, local: WebrtcLocal): readonly MediaSection[] {
  const { slots } = input
  if (slots === undefined) {
    const { direction } = input
    return [
      browserAudio(input, local, {
        slot: undefined,
        direction,
        isHeard: true,
        isCarrier: true,
      }),
    ]
  }
  const [carrier] = sharedSections(slots, slots.bundle)
  return slots.sections.map((slot, index) => {
    const { audioIndex, microphoneIndex = audioIndex, idle = [] } = slots
    const isHeard = index === audioIndex
    const isMicrophone = index === microphoneIndex
    // In an answer nothing that was not offered there.
    const codecs = isHeard || input.role === 'offer' ? input.codecs : offeredIn(slot, input.codecs)
    if ((!isHeard && !isMicrophone && !idle.includes(index)) || !codecs.some(isAudio)) {
      return rejectedSection(slot, true)
    }
    const direction = toDirection(
      isHeard && sends(input.direction),
      isMicrophone && receives(input.direction),
    )
    return browserAudio({ ...input, codecs }, local, {
      slot,
      direction,
      isHeard,
      isCarrier: index === carrier,
    })
  })
}

const offeredIn = ({ formats }: Section, codecs: readonly Codec[]): readonly Codec[] => {
  const offered = new Set(formats.split(' '))
  return codecs.filter(({ payloadType }) => offered.has(String(payloadType)))
}

function browserAudio(
  input: Composition,
  local: WebrtcLocal,
  place: {
    readonly slot: Section | undefined
    readonly direction: Direction
    /** The browser hears us by it. */
    readonly isHeard: boolean
    /** The first of its BUNDLE. */
    readonly isCarrier: boolean
  },
): MediaSection {
  const { slot, direction, isHeard, isCarrier } = place
  return {
    ...audioSection(input, firstCandidate(local).port),
    protocol: slot?.protocol ?? 'UDP/TLS/RTP/SAVPF',
    mid: slot === undefined ? '0' : slot.mid,
    attributes: [
      attribute(direction),
      attribute('rtcp-mux'),
      ...browserTransport(input, local, isCarrier),
      ...(sends(direction) ? [attribute('msid', `${local.cname} audio`)] : []),
      // Also while nothing is sent: Chromium drops a source that is named no more, with what listened to it, and hears nothing
      // of it when it comes back.
      ...(isHeard ? [attribute('ssrc', `${local.ssrc} cname:${local.cname}`)] : []),
    ],
  }
}

/** Firefox crashes where a section of a BUNDLE has no ICE and DTLS of its own, and Chromium writes them too; candidates need no copy. */
function browserTransport(input: Composition, local: WebrtcLocal, isCarrier: boolean): readonly Attribute[] {
  const candidates = isCarrier ? local.candidates : []
  return [
    ...(input.role === 'offer' ? [attribute('rtcp-mux-only')] : []),
    attribute('ice-ufrag', local.ice.ufrag),
    attribute('ice-pwd', local.ice.pwd),
    ...describeDtls(
      local.fingerprint,
      input.setup ?? 'actpass',
      input.hasTlsId === true ? local.tlsId : undefined,
    ),
    ...candidates.map(({ foundation, priority, address, port }) =>
      attribute('candidate', `${foundation} 1 udp ${priority} ${address} ${port} typ host`),
    ),
    ...(isCarrier ? [attribute('end-of-candidates')] : []),
  ]
}

function trunkSections(input: Composition, local: RtpLocal): readonly MediaSection[] {
  const { slots } = input
  return (
    slots?.sections.map((slot, index) =>
      index === slots.audioIndex ? trunkAudio(input, local, slot) : rejectedSection(slot, false),
    ) ?? [trunkAudio(input, local, undefined)]
  )
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
