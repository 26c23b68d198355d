import type { Codec, Direction, LocalTransport, SrtpSuite } from '../media/parameters.ts'
import { isUnspecified } from './address.ts'
import { hasAttribute, hasRtcpMux } from './attributes.ts'
import { composeDescription } from './compose.ts'
import { describeCrypto, offeredKeys, readCrypto } from './crypto.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { readDirection, withoutReceiving } from './direction.ts'
import { SdpFailure } from './failure.ts'
import { formatDescription } from './format.ts'
import { parseDescription } from './parse.ts'
import { readCodecs, readPtime } from './payload-types.ts'
import { readRtpAddresses, rtpProfile, toRtpRemote } from './rtp-transport.ts'
import type { LegKind, LocalOrigin, MediaSlots, Offer, SentOffer } from './session.ts'
import { readOfferedSetup } from './setup.ts'
import { isWebrtcProfile, readBundle, readWebrtcTransport } from './webrtc-transport.ts'

/**
 * Reads an offer from a browser (`webrtc`) or a trunk (`rtp`) and checks that its audio can be used on that kind of leg.
 * `policy.suites`: what the trunk's encrypted media may use, empty or absent for plain RTP; of no meaning to a browser.
 * On hold by `c=0.0.0.0` the direction says so, and `transport.rtp` still holds that address: do not send there.
 */
export function readOffer(
  body: Uint8Array,
  kind: LegKind,
  policy: { readonly suites?: readonly SrtpSuite[] } = {},
): Offer {
  const description = parseDescription(body)
  const suites = policy.suites ?? []
  const audioIndex = kind === 'webrtc' ? findBrowserAudio(description) : findTrunkAudio(description, suites)
  const section = description.sections[audioIndex]
  if (section === undefined) throw new SdpFailure('sdp.no-audio')
  const read =
    kind === 'webrtc' ? readBrowserOffer(description, section) : readTrunkOffer(description, section, suites)
  return {
    kind,
    sections: description.sections.map(({ media, protocol, formats, port, mid }) => {
      return { media, protocol, formats: formats.join(' '), port, mid }
    }),
    audioIndex,
    codecs: readCodecs(section, read.isMuxed),
    ptimeMs: readPtime(section),
    bundle: readBundle(description, section),
    ...read,
  }
}

/**
 * Our offer. The `text` goes out as it is; `sent` is needed to read the answer. `slots`: the peer's latest offer in the
 * same dialog, if there was one: its m-lines are kept, in number and order (RFC 3264 §8). `ptimeMs`: packet length that we
 * ask for, 20 when the other leg did not say.
 */
export function createOffer(input: {
  readonly local: LocalTransport
  readonly codecs: readonly Codec[]
  readonly origin: LocalOrigin
  readonly direction: Direction
  readonly ptimeMs?: number | undefined
  readonly slots?: MediaSlots | undefined
}): { readonly text: string; readonly sent: SentOffer } {
  const { codecs, slots } = input
  const local =
    input.local.kind === 'rtp' ? { ...input.local, crypto: offeredKeys(input.local.crypto) } : input.local
  const description = composeDescription({ ...input, local, role: 'offer' })
  return { text: formatDescription(description), sent: { kind: local.kind, codecs, local, slots } }
}

function readBrowserOffer(description: SessionDescription, section: MediaSection) {
  const transport = readWebrtcTransport(description, section, readOfferedSetup)
  return { direction: readDirection(section, description), transport, crypto: [], isMuxed: true }
}

function readTrunkOffer(
  description: SessionDescription,
  section: MediaSection,
  suites: readonly SrtpSuite[],
) {
  const isMuxed = hasRtcpMux(section)
  const addresses = readRtpAddresses(description, section, isMuxed)
  const crypto = suites.length === 0 ? [] : readCrypto(section, suites)
  if (suites.length > 0 && crypto.length === 0) {
    throw new SdpFailure('sdp.no-usable-crypto', {
      expected: suites.join(' '),
      seen: describeCrypto(section),
    })
  }
  const direction = readDirection(section, description)
  return {
    direction: isUnspecified(addresses.rtp.address) ? withoutReceiving(direction) : direction,
    transport: toRtpRemote(addresses, crypto[0]),
    crypto,
    isMuxed,
  }
}

/** First audio section that is alive: with a port, or bundle-only, which is written with port 0 (RFC 9143 §6). */
function findBrowserAudio(description: SessionDescription): number {
  const isAlive = (section: MediaSection) => {
    if (section.port > 0) return true
    return hasAttribute(section, 'bundle-only') && readBundle(description, section).length > 0
  }
  const isOurs = (section: MediaSection) => isWebrtcProfile(section.protocol)
  return findAudio(description, isAlive, isOurs, 'UDP/TLS/RTP/SAVPF')
}

/**
 * First live audio section whose profile fits the trunk. Telephones that can do both send two, SAVP and AVP. Where
 * encryption is wanted, SAVP comes first, then AVP with keys (RFC 8643).
 */
function findTrunkAudio(description: SessionDescription, suites: readonly SrtpSuite[]): number {
  const isAlive = (section: MediaSection) => section.port > 0
  if (suites.length === 0) {
    return findAudio(description, isAlive, ({ protocol }) => rtpProfile(protocol) === 'plain', 'RTP/AVP')
  }
  const withKeys = (section: MediaSection) => {
    return rtpProfile(section.protocol) !== undefined && readCrypto(section, suites).length > 0
  }
  const best = description.sections.findIndex((section) => {
    return (
      isAudio(section) && isAlive(section) && rtpProfile(section.protocol) === 'secure' && withKeys(section)
    )
  })
  if (best >= 0) return best
  const isOurs = (section: MediaSection) => rtpProfile(section.protocol) === 'secure' || withKeys(section)
  return findAudio(description, isAlive, isOurs, 'RTP/SAVP')
}

function findAudio(
  description: SessionDescription,
  isAlive: (section: MediaSection) => boolean,
  isOurs: (section: MediaSection) => boolean,
  expected: string,
): number {
  const alive = description.sections.filter((section) => isAudio(section) && isAlive(section))
  const [first] = alive
  if (first === undefined) {
    const seen = description.sections.map(({ media, port }) => `${media.slice(0, 32)} ${port}`).join(', ')
    throw new SdpFailure('sdp.no-audio', { seen: seen || 'no media' })
  }
  const ours = alive.find(isOurs)
  if (ours === undefined) {
    throw new SdpFailure('sdp.profile-mismatch', { expected, seen: first.protocol.slice(0, 64) })
  }
  return description.sections.indexOf(ours)
}

function isAudio(section: MediaSection): boolean {
  return section.media === 'audio'
}
