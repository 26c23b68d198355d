import type { Codec } from '../media/parameters.ts'
import type { MediaSection } from './description.ts'

/** RFC 3551 §6, table 4: audio formats that need no `a=rtpmap`. */
const STATIC: Readonly<Record<number, readonly [name: string, clockRateHz: number, channels?: number]>> = {
  0: ['PCMU', 8000],
  3: ['GSM', 8000],
  4: ['G723', 8000],
  5: ['DVI4', 8000],
  6: ['DVI4', 16000],
  7: ['LPC', 8000],
  8: ['PCMA', 8000],
  9: ['G722', 8000],
  10: ['L16', 44100, 2],
  11: ['L16', 44100],
  12: ['QCELP', 8000],
  13: ['CN', 8000],
  14: ['MPA', 90000],
  15: ['G728', 8000],
  16: ['DVI4', 11025],
  17: ['DVI4', 22050],
  18: ['G729', 8000],
}

/**
 * The codecs of an RTP section in the order of its `m=` line. Formats that are no payload type, or have neither
 * `a=rtpmap` nor a static meaning, are left out; with rtcp-mux so are 64..95, which RTCP needs (RFC 5761 §4).
 */
export function readCodecs(section: MediaSection, isMuxed: boolean): readonly Codec[] {
  const codecs = new Map<number, Codec>()
  for (const format of section.formats) {
    if (!/^\d{1,3}$/.test(format)) continue
    const payloadType = Number(format)
    if (payloadType > 127 || codecs.has(payloadType)) continue
    if (isMuxed && payloadType >= 64 && payloadType <= 95) continue
    const codec = readCodec(section, payloadType)
    if (codec !== undefined) codecs.set(payloadType, codec)
  }
  return [...codecs.values()]
}

/** RFC 3551 §4.2: receivers take 0..200 ms; a wish beyond that is none. `a=maxptime` counts where it is less. */
export function readPtime({ ptime, maxptime }: MediaSection): number | undefined {
  const wish = ptime !== undefined && ptime <= 200 ? ptime : undefined
  return maxptime !== undefined && maxptime < (wish ?? DEFAULT_PTIME_MS) ? maxptime : wish
}

/** What packets last when nobody says. */
export const DEFAULT_PTIME_MS = 20

function readCodec(section: MediaSection, payloadType: number): Codec | undefined {
  const format = section.fmtps.find((fmtp) => fmtp.payloadType === payloadType)?.format
  const rtpmap = section.rtpmaps.find((map) => map.payloadType === payloadType)
  if (rtpmap !== undefined) {
    const { name } = rtpmap
    // RFC 7587 §7: always /2 on the wire; some write opus/48000.
    const channels = name.toLowerCase() === 'opus' ? 2 : rtpmap.channels
    // RFC 3551 §4.5.2: always 8000 on the wire; some write what it samples at.
    const clockRateHz = name.toUpperCase() === 'G722' ? 8000 : rtpmap.clockRateHz
    return { name, clockRateHz, channels, payloadType, format }
  }
  const known = STATIC[payloadType]
  if (known === undefined) return undefined
  const [name, clockRateHz, channels = 1] = known
  return { name, clockRateHz, channels, payloadType, format }
}

/** The payload type that RFC 3551 fixes for this codec; `a=rtpmap` is written all the same, every peer likes it. */
export function staticPayloadType(
  codec: Pick<Codec, 'name' | 'clockRateHz' | 'channels'>,
): number | undefined {
  for (const [payloadType, [name, clockRateHz, channels = 1]] of Object.entries(STATIC)) {
    const isSame = name === codec.name.toUpperCase() && clockRateHz === codec.clockRateHz
    if (isSame && channels === codec.channels) return Number(payloadType)
  }
  return undefined
}
