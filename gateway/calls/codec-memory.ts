import type { Codec } from '../../media/parameters.ts'
import { isAudio, isSameCodec } from '../../sdp/codecs.ts'
import { isTelephoneEvent } from '../../sdp/telephone-event.ts'

export const isIn = (codec: Codec, list: readonly Codec[]): boolean =>
  list.some((row) => isSameCodec(row, codec))

/** Codecs of a peer beside those agreed: more than any offer has, and nobody's dialog is a place to store them in. */
const MAX_KNOWN = 64

/**
 * What the peer of a leg has shown that it can do, beside what is agreed: a call that came down to one codec may go on with
 * another (RFC 6337 §5.2). In our payload types.
 */
export class CodecMemory {
  #known: readonly Codec[] = []
  #willing: readonly Codec[] = []

  /** Whatever was offered, by us or by the peer; of very many the newest. */
  get known(): readonly Codec[] {
    return this.#known
  }

  /** Of that, what the newest offer or answer of the peer has not left out. */
  get willing(): readonly Codec[] {
    return this.#willing
  }

  /** The peer has offered these. */
  offered(codecs: readonly Codec[]): void {
    this.#learn(codecs)
    this.#willing = codecs
  }

  /** Of an offer of ours the peer has taken some. */
  answered(asked: readonly Codec[], taken: readonly Codec[]): void {
    this.#learn(asked)
    this.#willing = [...taken, ...this.#willing.filter((codec) => !isIn(codec, asked))]
  }

  #learn(codecs: readonly Codec[]): void {
    const news = codecs.filter((codec) => !isIn(codec, this.#known)).slice(0, MAX_KNOWN)
    this.#known = [...this.#known, ...news].slice(-MAX_KNOWN)
  }
}

/**
 * What `others` have too of a leg's codecs: of those agreed first, so that nothing changes without need, then of `more`; with
 * key presses at their clocks. A payload type that is taken keeps its meaning (RFC 3264 §8.3.2).
 */
export function commonCodecs(
  agreed: readonly Codec[],
  more: readonly Codec[],
  others: readonly Codec[],
): readonly Codec[] {
  // Of two with one payload type the first counts.
  const byType = new Map([...agreed, ...more].reverse().map((codec) => [codec.payloadType, codec] as const))
  const added = more.filter((codec) => byType.get(codec.payloadType) === codec && !isIn(codec, agreed))
  const all = [...agreed, ...added]
  const audio = all.filter((codec) => isAudio(codec) && isIn(codec, others))
  const isUsed = (codec: Codec): boolean =>
    agreed.includes(codec) || audio.some(({ clockRateHz }) => clockRateHz === codec.clockRateHz)
  const events = all.filter((codec) => isTelephoneEvent(codec) && isUsed(codec))
  const noise = all.filter(
    (codec) => !isAudio(codec) && !isTelephoneEvent(codec) && isIn(codec, others) && isUsed(codec),
  )
  return [...audio, ...events, ...noise]
}
