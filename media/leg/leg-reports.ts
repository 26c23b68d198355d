import type { Clock } from '../clock.ts'
import { DeadlineTimer, nextRoundMs } from '../deadline-timer.ts'
import type { LegId, NativeLegReport, Relay } from '../native/boundary.ts'
import { type LegQuality, legQuality } from '../rtcp/quality.ts'
import { RtcpReporter, type RtcpReporterInput } from '../rtcp/rtcp-reporter.ts'

/** The leg that is reported on. */
export interface ReportedLeg {
  readonly id: LegId
  readonly local: { readonly ssrc: number; readonly cname: string }
  /** Keys are in place, and somebody to send to. */
  readonly canSend: boolean
}

export interface LegReportsHost {
  readonly relay: Pick<Relay, 'report' | 'sendRtcp'>
  readonly clock: Clock
  readonly random: () => number
  count(reason: string): void
  /** An error that is our own. */
  report(error: unknown): void
}

/** The shell of a leg's `RtcpReporter`: gives it the relay's figures and time, and sends what it wants sent. */
export class LegReports {
  readonly #leg: ReportedLeg
  readonly #host: LegReportsHost
  readonly #machine: RtcpReporter
  readonly #timer: DeadlineTimer
  /** The last figures of a leg that is no longer in the relay. */
  #final: NativeLegReport | undefined

  constructor(leg: ReportedLeg, host: LegReportsHost) {
    this.#leg = leg
    this.#host = host
    const { ssrc, cname } = leg.local
    // Monotonic from here on, whatever is done to the machine's date.
    const epochMs = Date.now() - host.clock.now()
    this.#machine = new RtcpReporter({ ssrc, cname, epochMs, random: host.random })
    this.#timer = new DeadlineTimer(host.clock, () => this.#drive(() => this.#timeout()))
  }

  /** To be called whenever the leg may have become able to send. */
  start(): void {
    if (this.#leg.canSend) this.#drive(() => ({ kind: 'start' }))
  }

  /** Never throws. */
  onRtcp(bytes: Uint8Array): void {
    this.#drive(() => ({ kind: 'rtcp', bytes, sentPackets: this.#report()?.sent?.packets ?? 0 }))
  }

  /** As `LegStats` has them. */
  get ofPeer(): { readonly peerReports: number; readonly emptyReports: number } {
    return this.#machine
  }

  quality(): LegQuality {
    return legQuality(this.#final ?? this.#report(), this.#machine.rttMs, this.#machine.peerBlock)
  }

  /** Before the leg leaves the relay; and before it is closed, for a BYE. One that has failed sends none (RFC 7675 §5.1). */
  end(): void {
    this.#final ??= this.#report()
    this.#drive(() => ({ kind: 'end', report: this.#sendable() }))
  }

  #timeout(): RtcpReporterInput {
    return { kind: 'timeout', report: this.#sendable() }
  }

  #sendable(): NativeLegReport | undefined {
    return this.#leg.canSend ? this.#report() : undefined
  }

  #report(): NativeLegReport | undefined {
    return this.#host.relay.report(this.#leg.id)
  }

  #drive(input: () => RtcpReporterInput): void {
    try {
      for (const output of this.#machine.handle(input(), this.#host.clock.now())) {
        if (output.kind === 'send') this.#host.relay.sendRtcp(this.#leg.id, output.bytes)
        else this.#host.count(output.reason)
      }
    } catch (error) {
      this.#host.report(error)
    }
    const { deadlineMs } = this.#machine
    this.#timer.set(deadlineMs === undefined ? undefined : nextRoundMs(deadlineMs))
  }
}
