import type { Codec, Direction } from '../media/parameters.ts'
import { hasAttribute } from './attributes.ts'
import { isAudio, isSameCodec } from './codecs.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { readDirection, receives, sends, toDirection } from './direction.ts'
import { readCodecs } from './payload-types.ts'
import type { AudioSections, MediaSlots } from './session.ts'
import { isWebrtcProfile, readBundle } from './webrtc-transport.ts'

/** With a port, or bundle-only, which is written with port 0 (RFC 9143 §6). */
export function isAliveInBrowser(description: SessionDescription, section: MediaSection): boolean {
  if (section.port > 0) return true
  return hasAttribute(section, 'bundle-only') && readBundle(description, section).length > 0
}

export interface BrowserAudio extends AudioSections {
  /** What the browser wants, in both sections together. */
  readonly direction: Direction
  /** It sends or hears in a section that we cannot use. */
  readonly isAudioElsewhere: boolean
  readonly heard: MediaSection
  readonly microphone: MediaSection
}

/**
 * A microphone that is taken away and added again comes in a section of its own, and the one before goes on to hear (RFC 8829
 * §5.2.2). So the audio of a browser may be in two sections of one BUNDLE: the one that it hears by, kept as long as it hears there,
 * since its page plays that track; and the one that its microphone is in, kept as long as it sends there. `home`: the first that can
 * be used, whose transport counts. Others of its BUNDLE wait without audio, for a page may add its next microphone before it takes
 * the last away; but not those that only want to hear, which would hear nothing: rejected, their slots are used again by browsers.
 */
export function chooseBrowserAudio(
  description: SessionDescription,
  home: MediaSection,
  before: MediaSlots | undefined,
): BrowserAudio {
  const { sections } = description
  const bundle = readBundle(description, home)
  const live = sections.filter(
    (section) =>
      section.media === 'audio' &&
      isWebrtcProfile(section.protocol) &&
      isAliveInBrowser(description, section),
  )
  const shared = live.filter((section) => section === home || isCompanion(section, home, bundle))
  const directionOf = (section: MediaSection): Direction => readDirection(section, description)
  const isHeard = (section: MediaSection): boolean => receives(directionOf(section))
  const isSent = (section: MediaSection): boolean => sends(directionOf(section))
  const [heardBefore, sentBefore] = [before?.audioIndex, before?.microphoneIndex ?? before?.audioIndex].map(
    (index) => shared.find((section) => section === sections[index ?? -1]),
  )
  // Chromium refuses a source that moves to an earlier section.
  const later = shared.slice(heardBefore === undefined ? 0 : shared.indexOf(heardBefore))
  const heard = later.find(isHeard) ?? later[0] ?? home
  const sent = [sentBefore ?? heard, ...shared]
  const microphone = sent.find(isSent) ?? sent[0] ?? home
  const waits = (section: MediaSection): boolean =>
    section !== heard &&
    section !== microphone &&
    (directionOf(section) !== 'recvonly' || section.mid === bundle[0])
  return {
    heard,
    microphone,
    audioIndex: sections.indexOf(heard),
    microphoneIndex: microphone === heard ? undefined : sections.indexOf(microphone),
    idle: shared.filter(waits).map((section) => sections.indexOf(section)),
    direction: toDirection(isSent(microphone), isHeard(heard)),
    isAudioElsewhere: (!isSent(microphone) && live.some(isSent)) || (!isHeard(heard) && live.some(isHeard)),
  }
}

function isCompanion(section: MediaSection, home: MediaSection, bundle: readonly string[]): boolean {
  if (section.mid === undefined || !bundle.includes(section.mid)) return false
  return commonFormats(readCodecs(home, true), readCodecs(section, true)).some(isAudio)
}

/** In a BUNDLE a payload type means the same in each section (RFC 9143 §10.1.2), but a section may leave some out. */
export const commonFormats = (codecs: readonly Codec[], others: readonly Codec[]): readonly Codec[] =>
  codecs.filter((codec) =>
    others.some((other) => other.payloadType === codec.payloadType && isSameCodec(other, codec)),
  )

/**
 * Indices of the sections that share the audio's transport, in the order of the BUNDLE group, of which the first carries it for all
 * (RFC 9143 §7.3).
 */
export function sharedSections(
  { sections, audioIndex, microphoneIndex, idle = [] }: MediaSlots,
  bundle: readonly string[] = [],
): readonly number[] {
  const place = (index: number): number => {
    const at = bundle.indexOf(sections[index]?.mid ?? '')
    return at < 0 ? bundle.length + index : at
  }
  return [...new Set([audioIndex, microphoneIndex ?? audioIndex, ...idle])].sort(
    (a, b) => place(a) - place(b),
  )
}

/** The section that the transport of all is read from. */
export function carrierOf(
  description: SessionDescription,
  audio: Pick<MediaSlots, 'audioIndex' | 'microphoneIndex' | 'idle'>,
  bundle: readonly string[],
): MediaSection | undefined {
  const slots = { ...audio, sections: description.sections.map((section) => ({ ...section, formats: '' })) }
  return sharedSections(slots, bundle)
    .map((index) => description.sections[index])
    .find((section) => section !== undefined && isAliveInBrowser(description, section))
}
