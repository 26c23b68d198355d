/** What one look at the statistics of a connection says of its audio. */
export interface AudioSample {
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly packetsSent: number
  /** Milliseconds; undefined while the browser does not know. */
  readonly jitterMs: number | undefined
  readonly roundTripMs: number | undefined
  readonly codec: string | undefined
  readonly cipher: string | undefined
}

/** One line for a person. */
export const describeSample = ({
  codec,
  packetsReceived,
  packetsLost,
  jitterMs,
  roundTripMs,
}: AudioSample): string => {
  const lossPercent = (100 * packetsLost) / Math.max(1, packetsReceived + packetsLost)
  const parts = [
    codec,
    `${lossPercent.toFixed(1)} % lost`,
    jitterMs === undefined ? undefined : `jitter ${Math.round(jitterMs)} ms`,
    roundTripMs === undefined ? undefined : `round trip ${Math.round(roundTripMs)} ms`,
  ]
  return parts.filter((part) => part !== undefined).join(' · ')
}

interface StatsEntry {
  readonly type: string
  readonly kind?: string
  readonly [name: string]: unknown
}

/** One number of each kind; the browser's report is typed as anything. */
export function readSample(report: Iterable<[string, StatsEntry]>): AudioSample {
  const entries = new Map(report)
  const find = (type: string): StatsEntry | undefined =>
    [...entries.values()].find((entry) => entry.type === type && (entry.kind ?? 'audio') === 'audio')
  const inbound = find('inbound-rtp')
  const codec = entries.get(String(inbound?.codecId))
  return {
    packetsReceived: numberOf(inbound?.packetsReceived) ?? 0,
    packetsLost: Math.max(0, numberOf(inbound?.packetsLost) ?? 0),
    packetsSent: numberOf(find('outbound-rtp')?.packetsSent) ?? 0,
    jitterMs: inMs(inbound?.jitter),
    roundTripMs: inMs(find('remote-inbound-rtp')?.roundTripTime),
    codec: textOf(codec?.mimeType)?.replace(/^audio\//, ''),
    cipher: textOf(find('transport')?.srtpCipher),
  }
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const inMs = (value: unknown): number | undefined => {
  const seconds = numberOf(value)
  return seconds === undefined ? undefined : seconds * 1_000
}
