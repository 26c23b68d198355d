import type { LegStats } from '../../media/engine.ts'
import type { CallMs, LegReport } from './call-report.ts'

/** So many reports show that a peer sends RTCP by itself, again and again. */
const MIN_REPORTS = 2

/** Whether the peer of one leg is still heard, by looks at its figures some seconds apart. Pure. */
export class LegActivity {
  readonly #kind: LegReport['kind']
  #packets = 0
  #reports = 0
  /** The last look that found new RTP, and new reports. */
  #heardMs: CallMs | undefined
  #reportedMs: CallMs = 0
  /** The first look since which both sides want both directions; undefined: they do not. */
  #talkingSinceMs: CallMs | undefined
  #wasHeld = false
  #isResumed = false

  constructor(kind: LegReport['kind']) {
    this.#kind = kind
  }

  look({ packetsReceived, peerReports }: LegStats, isTalking: boolean, nowMs: CallMs): void {
    if (packetsReceived > this.#packets) this.#heardMs = nowMs
    if (peerReports > this.#reports) this.#reportedMs = nowMs
    this.#packets = packetsReceived
    this.#reports = peerReports
    if (!isTalking) {
      this.#talkingSinceMs = undefined
      this.#wasHeld ||= this.#heardMs !== undefined
    } else if (this.#talkingSinceMs === undefined) {
      this.#talkingSinceMs = nowMs
      this.#isResumed = this.#wasHeld
    }
  }

  /**
   * For how long a peer that was heard has been silent in a way that no healthy one is; undefined: not at all. A browser sends
   * always, muted too. Of a trunk RTP alone says little: it may suppress silence, play nothing, or record. So it has to bring
   * nothing at all since a hold, or its reports, which it sent before, have to be missing too.
   */
  goneForMs(nowMs: CallMs): number | undefined {
    const [heardMs, sinceMs] = [this.#heardMs, this.#talkingSinceMs]
    if (heardMs === undefined || sinceMs === undefined) return undefined
    const isBackFromHold = this.#isResumed && heardMs < sinceMs
    if (this.#kind === 'webrtc' || isBackFromHold) return nowMs - Math.max(heardMs, sinceMs)
    return this.#reports < MIN_REPORTS ? undefined : nowMs - Math.max(heardMs, sinceMs, this.#reportedMs)
  }
}
