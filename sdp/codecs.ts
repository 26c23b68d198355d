import type { Codec, PayloadMapping } from '../media/parameters.ts'
import { SdpFailure } from './failure.ts'
import { staticPayloadType } from './payload-types.ts'
import type { Offer } from './session.ts'
import { answeredEvents, isTelephoneEvent, offeredEvents } from './telephone-event.ts'

/** Whether a leg's key presses are telephone-event in its media, or come and go by signalling. */
export type KeysOnLeg = 'in-media' | 'in-signalling'

/** What we offer when no other leg's offer tells (delayed offer, a call that we originate). Browsers' payload types. */
export const STANDARD_CODECS: readonly Codec[] = [
  { name: 'opus', clockRateHz: 48000, channels: 2, payloadType: 111, format: 'minptime=10;useinbandfec=1' },
  { name: 'G722', clockRateHz: 8000, channels: 1, payloadType: 9, format: undefined },
  { name: 'PCMU', clockRateHz: 8000, channels: 1, payloadType: 0, format: undefined },
  { name: 'PCMA', clockRateHz: 8000, channels: 1, payloadType: 8, format: undefined },
  { name: 'telephone-event', clockRateHz: 48000, channels: 1, payloadType: 110, format: '0-15' },
  { name: 'telephone-event', clockRateHz: 8000, channels: 1, payloadType: 101, format: '0-15' },
]

/**
 * Codecs for our offer on leg two: what leg one offered, filtered by the allowed names, in their order, with
 * payload types that any peer takes: static ones where RFC 3551 has one, else leg one's own when it is dynamic
 * (96..127) and free. The same input always gives the same payload types, so a re-offer keeps them (RFC 3264 §8.3.2).
 * telephone-event does not depend on leg one, since key presses are converted; comfort noise does.
 */
export function offerableCodecs(
  offered: readonly Codec[],
  allowed: readonly string[],
  keys: KeysOnLeg = 'in-media',
): readonly Codec[] {
  const audio = audioNamed(offered, allowed)
  const events = keys === 'in-media' ? offeredEvents(audio, offered) : []
  const noise = noiseFor(audio, offered)
  return assignPayloadTypes([...new Set([...audio, ...events, ...noise])]).map(withOwnFormat)
}

/**
 * What an offer is taken for of a peer that may have only these codecs: those, in their order. Key presses and comfort noise
 * are not chosen by name. Throws `sdp.no-common-codec` when none is left.
 */
export function allowedCodecs(offered: readonly Codec[], allowed: readonly string[]): readonly Codec[] {
  const audio = audioNamed(offered, allowed)
  return [...audio, ...offered.filter((codec) => !isAudio(codec))]
}

/**
 * Codecs for our answer on leg one, once leg two has answered: leg one's own payload types, leg two's order, and
 * what leg two says it wants to receive (its `a=fmtp`). Comfort noise only when both have it (RFC 3389 §5).
 */
export function answerableCodecs(
  offer: Offer,
  accepted: readonly Codec[],
  keys: KeysOnLeg = 'in-media',
): readonly Codec[] {
  const found = accepted.flatMap((codec) => {
    const own = findSame(codec, offer.codecs)
    return own === undefined ? [] : [{ ...own, format: codec.format }]
  })
  const audio = uniqueByPayloadType(found.filter(isAudio))
  if (audio.length === 0) throw noCommonCodec(describe(accepted), offer.codecs)
  const events = keys === 'in-media' ? answeredEvents(audio, offer.codecs) : []
  const noise = noiseFor(audio, found)
  return [...audio, ...events, ...uniqueByPayloadType(noise)].map(withOwnFormat)
}

/**
 * Which payload type of one leg becomes which on the other, for packets received with `from`'s numbers and sent
 * with `to`'s. Formats without a counterpart are absent: the relay drops and counts them. Key presses are not in it.
 */
export function payloadMap(from: readonly Codec[], to: readonly Codec[]): readonly PayloadMapping[] {
  return from.flatMap((codec) => {
    const target = isTelephoneEvent(codec) ? undefined : findSame(codec, to)
    if (target === undefined) return []
    const mapping = { from: codec.payloadType, to: target.payloadType, clockRateHz: codec.clockRateHz }
    return [
      ONE_OCTET_A_TICK.some((name) => hasName(codec, name)) ? { ...mapping, isOneOctetATick: true } : mapping,
    ]
  })
}

/** Codecs to talk with that are allowed, in the order of `allowed`. Throws `sdp.no-common-codec` when there is none. */
function audioNamed(offered: readonly Codec[], allowed: readonly string[]): readonly Codec[] {
  const audio = allowed.flatMap((name) => offered.filter((codec) => isAudio(codec) && hasName(codec, name)))
  if (audio.length === 0) throw noCommonCodec(allowed.join(' '), offered)
  return audio
}

/** RFC 3551 §4.5: 64 kbit/s at a clock of 8000 Hz. */
const ONE_OCTET_A_TICK: readonly string[] = ['PCMU', 'PCMA', 'G722']

/** For applications that answer a call themselves: the first codec of the offer that they speak, and nothing else. */
export function chooseCodecs(offer: Offer, supported: readonly string[]): readonly Codec[] {
  const codec = offer.codecs.find((one) => isAudio(one) && supported.some((name) => hasName(one, name)))
  if (codec === undefined) throw noCommonCodec(supported.join(' '), offer.codecs)
  return [withOwnFormat(codec)]
}

/** The codecs of a peer's answer that we offered; its payload types, its order. */
export function acceptedCodecs(answered: readonly Codec[], sent: readonly Codec[]): readonly Codec[] {
  const accepted = answered.filter((codec) => findSame(codec, sent) !== undefined)
  if (!accepted.some(isAudio)) throw noCommonCodec(describe(sent), answered)
  return accepted
}

/** Same encoding on both sides. Formats are compared only to tell several of one name apart (AMR, iLBC). */
function findSame(codec: Codec, others: readonly Codec[]): Codec | undefined {
  const same = others.filter((other) => isSameCodec(codec, other))
  return same.find((other) => other.format === codec.format) ?? same[0]
}

/** Payload types are a leg's own affair, and formats are not compared. */
export function isSameCodec(one: Codec, other: Codec): boolean {
  return hasName(one, other.name) && one.clockRateHz === other.clockRateHz && one.channels === other.channels
}

/**
 * RFC 2198, key presses and comfort noise are no codecs to talk with, and no reason to disturb a peer with an offer; `red` also
 * names payload types in its format.
 */
export function isAudio(codec: Codec): boolean {
  return !['telephone-event', 'red', 'cn'].includes(codec.name.toLowerCase())
}

function hasName(codec: Codec, name: string): boolean {
  return codec.name.toLowerCase() === name.toLowerCase()
}

/** Comfort noise goes with audio of its clock; that of 8000 Hz is the one that telephones know. */
function noiseFor(audio: readonly Codec[], offered: readonly Codec[]): readonly Codec[] {
  if (!audio.some(({ clockRateHz }) => clockRateHz === 8000)) return []
  return offered.filter((codec) => hasName(codec, 'CN') && codec.clockRateHz === 8000).slice(0, 1)
}

function assignPayloadTypes(codecs: readonly Codec[]): readonly Codec[] {
  const taken = new Set<number>()
  const isFree = (payloadType: number) => !taken.has(payloadType)
  const take = (codec: Codec, payloadType: number): Codec => {
    taken.add(payloadType)
    return { ...codec, payloadType }
  }
  // Who has a number of its own comes first, so that nobody is given a number that another one brings.
  const own = codecs.map((codec) => {
    const payloadType = staticPayloadType(codec) ?? (codec.payloadType >= 96 ? codec.payloadType : undefined)
    return payloadType !== undefined && isFree(payloadType) ? take(codec, payloadType) : undefined
  })
  return codecs.flatMap((codec, index) => {
    const kept = own[index]
    if (kept !== undefined) return [kept]
    const payloadType = DYNAMIC.find(isFree)
    return payloadType === undefined ? [] : [take(codec, payloadType)]
  })
}

/** 96..127, RFC 3551 §6. */
const DYNAMIC: readonly number[] = Array.from({ length: 32 }, (_, index) => 96 + index)

/**
 * What crosses from one leg to the other as `a=fmtp`. Opus parameters are wishes of one receiver about its own
 * decoder: each leg gets ours. Anything long or strange is left out.
 */
function withOwnFormat(codec: Codec): Codec {
  if (hasName(codec, 'opus')) return { ...codec, format: 'minptime=10;useinbandfec=1' }
  if (isTelephoneEvent(codec)) {
    const isEventList = codec.format !== undefined && /^[\d,-]{1,64}$/.test(codec.format)
    return { ...codec, format: isEventList ? codec.format : '0-15' }
  }
  const isPlain = codec.format !== undefined && /^[\x20-\x7e]{1,128}$/.test(codec.format)
  return { ...codec, format: isPlain ? codec.format : undefined }
}

function uniqueByPayloadType(codecs: readonly Codec[]): readonly Codec[] {
  return [...new Map(codecs.map((codec) => [codec.payloadType, codec] as const)).values()]
}

function noCommonCodec(expected: string, seen: readonly Codec[]): SdpFailure {
  return new SdpFailure('sdp.no-common-codec', { expected, seen: describe(seen) })
}

function describe(codecs: readonly Codec[]): string {
  if (codecs.length === 0) return 'none'
  const names = codecs.map(({ name, clockRateHz }) => `${name.slice(0, 32)}/${clockRateHz}`)
  return names.length > 16 ? `${names.slice(0, 16).join(' ')} and ${names.length - 16} more` : names.join(' ')
}
