import type { Codec, Direction, LocalTransport, RtpLocal, SdesKey } from '../media/parameters.ts'
import { isUnspecified } from './address.ts'
import { hasAttribute, hasRtcpMux } from './attributes.ts'
import { carrierOf } from './browser-audio.ts'
import { acceptedCodecs, isAudio } from './codecs.ts'
import { composeDescription } from './compose.ts'
import { describeCrypto, readCrypto } from './crypto.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import {
  answerDirection,
  readDirection,
  receives,
  sends,
  toDirection,
  withoutReceiving,
} from './direction.ts'
import { SdpFailure } from './failure.ts'
import { formatDescription } from './format.ts'
import { parseDescription } from './parse.ts'
import { readCodecs, readPtime } from './payload-types.ts'
import { readRtpAddresses, readTrunkDtls, rtpProfile, toRtpRemote } from './rtp-transport.ts'
import type { Answer, LocalOrigin, MediaSlots, Offer, SentOffer } from './session.ts'
import { answerSetup, readAnsweredSetup } from './setup.ts'
import { isWebrtcProfile, readBundle, readWebrtcTransport } from './webrtc-transport.ts'

/** Reads the answer to an offer of ours. */
export function readAnswer(body: Uint8Array, sent: SentOffer): Answer {
  const description = parseDescription(body)
  const section = findAudio(description, sent)
  const read =
    sent.local.kind === 'webrtc'
      ? readBrowserAnswer(description, section, sent.slots)
      : readTrunkAnswer(description, section, sent.local, sent.trunk)
  return {
    codecs: acceptedCodecs(readCodecs(section, sent.local.kind === 'webrtc'), sent.codecs),
    ptimeMs: readPtime(section),
    ...read,
  }
}

/**
 * Our answer. Every section but the audio is rejected (`composeDescription`), order and mids are the offer's. The direction is narrowed
 * to what the offer allows. `crypto`: our line, with the tag of the offer's; default `answerCrypto(offer, local)`.
 * `currentRole`: our DTLS role when the association exists already. `ptimeMs`: as in `createOffer`.
 */
export function createAnswer(input: {
  readonly offer: Offer
  readonly local: LocalTransport
  readonly codecs: readonly Codec[]
  readonly origin: LocalOrigin
  readonly direction: Direction
  readonly crypto?: SdesKey | undefined
  readonly ptimeMs?: number | undefined
  readonly currentRole?: 'active' | 'passive' | undefined
}): string {
  const { offer, local, codecs, origin, ptimeMs } = input
  const direction = answerDirection(offer.direction, input.direction)
  const dtls = offer.transport.kind === 'webrtc' ? offer.transport : offer.transport.dtls
  const common = {
    role: 'answer',
    local,
    codecs,
    origin,
    direction,
    ptimeMs,
    slots: offer,
    setup: answerSetup(dtls?.setup ?? 'actpass', input.currentRole),
    hasTlsId: dtls?.tlsId !== undefined,
  } as const
  if (local.kind === 'webrtc') {
    return formatDescription(composeDescription({ ...common, isBundled: offer.bundle.length > 0 }))
  }
  const crypto = input.crypto ?? answerCrypto(offer, local)
  return formatDescription(
    composeDescription({ ...common, crypto: crypto === undefined ? [] : [crypto], isMuxed: offer.isMuxed }),
  )
}

/** Our key for the crypto line that we take of the offer, under its tag (RFC 4568 §5.1.2); undefined: plain RTP. */
export function answerCrypto(offer: Offer, local: RtpLocal): SdesKey | undefined {
  if (offer.transport.kind !== 'rtp' || offer.transport.crypto === undefined) return undefined
  const { tag, suite } = offer.transport.crypto
  const own = local.crypto.find((key) => key.suite === suite)
  if (own === undefined) throw new TypeError(`no key of our own for ${suite}`)
  return { tag, suite, keySalt: own.keySalt }
}

/** RFC 3264 §6: as many m-lines as offered, in the same order. */
function findAudio(description: SessionDescription, sent: SentOffer): MediaSection {
  const expected = sent.slots?.sections.map(({ media }) => media) ?? ['audio']
  const seen = description.sections.map(({ media }) => media.slice(0, 32))
  const section = description.sections[sent.slots?.audioIndex ?? 0]
  if (section === undefined || seen.join(' ') !== expected.join(' ')) {
    throw new SdpFailure('sdp.line-mismatch', {
      expected: expected.join(' '),
      seen: seen.join(' ') || 'none',
    })
  }
  if (section.port === 0) {
    throw new SdpFailure('sdp.rejected', { expected: describeOffered(sent), seen: 'port 0' })
  }
  return section
}

function describeOffered({ codecs, local }: SentOffer): string {
  const names = [...new Set(codecs.filter(isAudio).map(({ name }) => name))].join(' ')
  const suites = local.kind === 'rtp' ? local.crypto.map(({ suite }) => suite).join(' ') : ''
  return `one of ${names}${suites === '' ? '' : ` with one of ${suites}`}`
}

function readBrowserAnswer(
  description: SessionDescription,
  section: MediaSection,
  slots: MediaSlots | undefined,
) {
  if (!isWebrtcProfile(section.protocol)) throw profileMismatch('UDP/TLS/RTP/SAVPF', section)
  const carrier = slots && carrierOf(description, slots, readBundle(description, section))
  const transport = readWebrtcTransport(description, carrier ?? section, readAnsweredSetup)
  const microphone = description.sections[slots?.microphoneIndex ?? -1] ?? section
  const direction = toDirection(
    microphone.port > 0 && sends(readDirection(microphone, description)),
    receives(readDirection(section, description)),
  )
  return { direction, transport, localCrypto: undefined }
}

function readTrunkAnswer(
  description: SessionDescription,
  section: MediaSection,
  local: RtpLocal,
  { keys, protocol, isMuxed } = assumedOffer(local),
) {
  const profile = rtpProfile(section.protocol)
  const isOurs = keys === 'dtls' ? isWebrtcProfile(section.protocol) : profile === rtpProfile(protocol)
  if (!isOurs) throw profileMismatch(protocol, section)
  // Only mux that we have offered means something in an answer (RFC 5761 §5.1.1).
  const addresses = readRtpAddresses(description, section, isMuxed && hasRtcpMux(section))
  const isKeyed =
    keys === 'must' || profile === 'secure' || (keys === 'may' && hasAttribute(section, 'crypto'))
  const isDtls = keys === 'dtls'
  const { remote, own } = isKeyed && !isDtls ? chosenCrypto(section, local) : NO_KEYS
  const dtls = isDtls ? readTrunkDtls(description, section, readAnsweredSetup) : undefined
  const direction = readDirection(section, description)
  return {
    direction: isUnspecified(addresses.rtp.address) ? withoutReceiving(direction) : direction,
    transport: toRtpRemote(addresses, remote, dtls),
    localCrypto: own,
  }
}

const NO_KEYS = { remote: undefined, own: undefined }

/** An offer that says nothing of its terms: what its keys tell. */
function assumedOffer(local: RtpLocal): NonNullable<SentOffer['trunk']> {
  const isSecure = local.crypto.length > 0
  return {
    keys: isSecure ? 'must' : 'never',
    protocol: isSecure ? 'RTP/SAVP' : 'RTP/AVP',
    isMuxed: false,
  }
}

function chosenCrypto(section: MediaSection, local: RtpLocal) {
  const suites = local.crypto.map(({ suite }) => suite)
  const answered = readCrypto(section, suites)
  if (answered.length === 0) {
    throw new SdpFailure('sdp.no-usable-crypto', {
      expected: suites.join(' '),
      seen: describeCrypto(section),
    })
  }
  for (const remote of answered) {
    const own = local.crypto.find((key) => key.tag === remote.tag && key.suite === remote.suite)
    if (own !== undefined) return { remote, own }
  }
  throw new SdpFailure('sdp.crypto-mismatch', {
    expected: local.crypto.map(({ tag, suite }) => `${tag} ${suite}`).join(', '),
    seen: answered.map(({ tag, suite }) => `${tag} ${suite}`).join(', '),
  })
}

function profileMismatch(expected: string, section: MediaSection): SdpFailure {
  return new SdpFailure('sdp.profile-mismatch', { expected, seen: section.protocol.slice(0, 64) })
}
