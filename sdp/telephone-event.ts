import type { Codec, KeyFormat } from '../media/parameters.ts'

const NAME = 'telephone-event'
/** Every telephone and gateway has it at this clock, whatever the audio is (RFC 4733 §2.2 would have that of the audio). */
const USUAL_CLOCK_HZ = 8000
/** Where no number of the other leg can be kept. */
const USUAL_PAYLOAD_TYPES: Readonly<Record<number, number>> = { 8000: 101, 48000: 110 }

/** Whether a codec is key presses (RFC 4733) and no audio. */
export const isTelephoneEvent = ({ name }: Codec): boolean => name.toLowerCase() === NAME

/** For our offer with these audio codecs: events at the clocks of all, and the usual ones; numbers of `others` where they have it. */
export function offeredEvents(audio: readonly Codec[], others: readonly Codec[]): readonly Codec[] {
  const clocks = new Set([...audio.map(({ clockRateHz }) => clockRateHz), USUAL_CLOCK_HZ])
  return [...clocks].map((clockRateHz) => {
    const known = others.find((codec) => isTelephoneEvent(codec) && codec.clockRateHz === clockRateHz)
    const payloadType = USUAL_PAYLOAD_TYPES[clockRateHz] ?? 101
    return known ?? { name: NAME, clockRateHz, channels: 1, payloadType, format: undefined }
  })
}

/** For our answer with these audio codecs: the events of the offer at their clocks, else the usual ones. */
export function answeredEvents(audio: readonly Codec[], offered: readonly Codec[]): readonly Codec[] {
  const events = offered.filter(isTelephoneEvent)
  const fitting = events.filter((event) => audio.some((codec) => codec.clockRateHz === event.clockRateHz))
  return fitting.length > 0 ? fitting : events.filter(({ clockRateHz }) => clockRateHz === USUAL_CLOCK_HZ)
}

/** How key presses may come from a leg with these codecs. */
export const heardKeyFormats = (codecs: readonly Codec[]): readonly KeyFormat[] =>
  codecs.filter(isTelephoneEvent).map(({ payloadType, clockRateHz }) => ({ payloadType, clockRateHz }))

/** How a peer with these codecs takes key presses: at the clock of its first audio codec, if it can. Undefined: not in its media. */
export function sentKeyFormat(codecs: readonly Codec[]): KeyFormat | undefined {
  const formats = heardKeyFormats(codecs)
  const clock = codecs.find((codec) => !isTelephoneEvent(codec))?.clockRateHz
  return (
    formats.find(({ clockRateHz }) => clockRateHz === clock) ??
    formats.find(({ clockRateHz }) => clockRateHz === USUAL_CLOCK_HZ) ??
    formats[0]
  )
}
