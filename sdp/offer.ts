import type { Codec, Direction, LocalTransport } from '../media/parameters.ts'
import { isUnspecified } from './address.ts'
import { hasRtcpMux } from './attributes.ts'
import {
  type BrowserAudio,
  carrierOf,
  chooseBrowserAudio,
  commonFormats,
  isAliveInBrowser,
} from './browser-audio.ts'
import { composeDescription } from './compose.ts'
import { describeCrypto, offeredKeys, readCrypto } from './crypto.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { readDirection, withoutReceiving } from './direction.ts'
import { SdpFailure } from './failure.ts'
import { formatDescription } from './format.ts'
import { parseDescription } from './parse.ts'
import { readCodecs, readPtime } from './payload-types.ts'
import { readRtpAddresses, readTrunkDtls, rtpProfile, toRtpRemote } from './rtp-transport.ts'
import type { LegKind, LocalOrigin, MediaSlots, Offer, SentOffer } from './session.ts'
import { readOfferedSetup } from './setup.ts'
import { completeTerms, keysOf, offeredProfile, type TrunkTerms } from './trunk-terms.ts'
import { isWebrtcProfile, readBundle, readWebrtcTransport } from './webrtc-transport.ts'

/**
 * Reads an offer from a browser (`webrtc`) or a trunk (`rtp`) and checks that its audio can be used on that kind of leg.
 * `terms`: what the trunk may use, plain RTP when nothing is said; of no meaning to a browser.
 * On hold by `c=0.0.0.0` the direction says so, and `transport.rtp` still holds that address: do not send there.
 * `before`: the browser's offer before this one in the dialog; what is in use there stays so where it can.
 */
export function readOffer(
  body: Uint8Array,
  kind: LegKind,
  terms: Partial<TrunkTerms> = {},
  before?: MediaSlots,
): Offer {
  const description = parseDescription(body)
  const trunk = completeTerms(terms)
  const home = kind === 'webrtc' ? findBrowserAudio(description) : findTrunkAudio(description, trunk)
  const section = description.sections[home]
  if (section === undefined) throw new SdpFailure('sdp.no-audio')
  const read =
    kind === 'webrtc'
      ? readBrowserOffer(description, chooseBrowserAudio(description, section, before))
      : readTrunkOffer(description, section, trunk)
  return {
    kind,
    sections: description.sections.map(({ media, protocol, formats, port, mid }) => {
      return { media, protocol, formats: formats.join(' '), port, mid }
    }),
    audioIndex: home,
    idle: [],
    isAudioElsewhere: false,
    codecs: readCodecs(section, read.isMuxed),
    ptimeMs: readPtime(section),
    bundle: readBundle(description, section),
    ...read,
  }
}

/**
 * Our offer. The `text` goes out as it is; `sent` is needed to read the answer. `slots`: the peer's latest offer in the
 * same dialog, if there was one: its m-lines are kept, in number and order (RFC 3264 §8). `ptimeMs`: packet length that we
 * ask for, 20 when the other leg did not say. `terms`: of a trunk; when nothing is said, SAVP where `local` has keys, else AVP.
 */
export function createOffer(input: {
  readonly local: LocalTransport
  readonly codecs: readonly Codec[]
  readonly origin: LocalOrigin
  readonly direction: Direction
  readonly ptimeMs?: number | undefined
  readonly slots?: MediaSlots | undefined
  readonly terms?: Partial<TrunkTerms>
}): { readonly text: string; readonly sent: SentOffer } {
  const { codecs, slots, local } = input
  if (local.kind === 'webrtc') {
    const text = formatDescription(composeDescription({ ...input, role: 'offer' }))
    return { text, sent: { kind: local.kind, codecs, local, slots } }
  }
  const crypto = offeredKeys(local.crypto)
  const terms = completeTerms({ suites: crypto.map(({ suite }) => suite), ...input.terms })
  const protocol = slots?.sections[slots.audioIndex]?.protocol ?? offeredProfile(terms)
  const isMuxed = terms.rtcpMux || terms.keying === 'dtls' || slots?.isMuxed === true
  const description = composeDescription({ ...input, crypto, protocol, isMuxed, role: 'offer' })
  return {
    text: formatDescription(description),
    sent: {
      kind: 'rtp',
      codecs,
      local: { ...local, crypto },
      slots,
      trunk: { keys: keysOf(terms), protocol, isMuxed },
    },
  }
}

function readBrowserOffer(
  description: SessionDescription,
  { heard, microphone, ...audio }: BrowserAudio,
): Pick<Offer, 'codecs' | 'ptimeMs' | 'transport' | 'crypto' | 'isMuxed'> &
  Omit<BrowserAudio, 'heard' | 'microphone'> {
  const codecs = readCodecs(heard, true)
  const carrier = carrierOf(description, audio, readBundle(description, heard)) ?? heard
  return {
    ...audio,
    codecs: microphone === heard ? codecs : commonFormats(codecs, readCodecs(microphone, true)),
    ptimeMs: readPtime(heard),
    transport: readWebrtcTransport(description, carrier, readOfferedSetup),
    crypto: [],
    isMuxed: true,
  }
}

function readTrunkOffer(description: SessionDescription, section: MediaSection, terms: TrunkTerms) {
  const isMuxed = hasRtcpMux(section)
  const addresses = readRtpAddresses(description, section, isMuxed)
  const keys = keysOf(terms)
  const crypto = keys === 'may' || keys === 'must' ? readCrypto(section, terms.suites) : []
  const isKeyed = keys === 'must' || (keys === 'may' && rtpProfile(section.protocol) === 'secure')
  if (isKeyed && crypto.length === 0) {
    throw new SdpFailure('sdp.no-usable-crypto', {
      expected: terms.suites.join(' '),
      seen: describeCrypto(section),
    })
  }
  const dtls = keys === 'dtls' ? readTrunkDtls(description, section, readOfferedSetup) : undefined
  const direction = readDirection(section, description)
  return {
    direction: isUnspecified(addresses.rtp.address) ? withoutReceiving(direction) : direction,
    transport: toRtpRemote(addresses, crypto[0], dtls),
    crypto,
    isMuxed,
  }
}

/** First audio section that is alive. */
function findBrowserAudio(description: SessionDescription): number {
  const isAlive = (section: MediaSection) => isAliveInBrowser(description, section)
  const isOurs = (section: MediaSection) => isWebrtcProfile(section.protocol)
  return findAudio(description, isAlive, isOurs, 'UDP/TLS/RTP/SAVPF')
}

/**
 * First live audio section whose profile fits the trunk. Telephones that can do both send two, SAVP and AVP. Where keys may
 * be, SAVP with some comes first, then AVP with some (RFC 8643), and last what has none.
 */
function findTrunkAudio(description: SessionDescription, terms: TrunkTerms): number {
  const isAlive = (section: MediaSection) => section.port > 0
  const keys = keysOf(terms)
  if (keys === 'never') {
    return findAudio(description, isAlive, ({ protocol }) => rtpProfile(protocol) === 'plain', 'RTP/AVP')
  }
  if (keys === 'dtls') {
    const isOurs = ({ protocol }: MediaSection) => isWebrtcProfile(protocol)
    return findAudio(description, isAlive, isOurs, 'UDP/TLS/RTP/SAVP')
  }
  const isSecure = (section: MediaSection) => rtpProfile(section.protocol) === 'secure'
  const isPlain = (section: MediaSection) => rtpProfile(section.protocol) === 'plain'
  const hasKeys = (section: MediaSection) => readCrypto(section, terms.suites).length > 0
  const ranks: readonly ((section: MediaSection) => boolean)[] = [
    (section) => isSecure(section) && hasKeys(section),
    (section) => isPlain(section) && hasKeys(section),
    (section) => (keys === 'must' ? isSecure(section) : isPlain(section)),
  ]
  const live = description.sections.filter((section) => isAudio(section) && isAlive(section))
  const best = ranks.find((fits) => live.some(fits)) ?? isSecure
  return findAudio(description, isAlive, best, offeredProfile(terms))
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
