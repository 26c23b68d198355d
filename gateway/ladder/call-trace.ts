import type { Stage } from '../../config/stage.ts'
import type { LegStats } from '../../media/engine.ts'
import { detached } from '../../sip/message/characters.ts'
import type { CallState } from '../calls/call-machine.ts'
import type { Place, Verdict } from '../diagnosis.ts'
import type { CallMs, CallReport, Finding, LegReport, Outcome, Rung, TimelineEntry } from './call-report.ts'

/** What one call may keep. A peer can cause lines (re-INVITEs, handshake datagrams), so they end somewhere. */
export const TRACE_LIMITS = { entries: 160, bytes: 32_768, entryBytes: 6_144, findings: 24, legs: 8 } as const

/** Of a Call-ID: it stands in each record, and a peer may make it as long as a line. */
export const MAX_CALL_ID = 256

/** As a trace has it. Cut from a message, text would keep all of that, for as long as the call is remembered. */
export const keptCallId = (callId: string): string => detached(callId.slice(0, MAX_CALL_ID))

/** Lines that come as the call ends shall still find room. */
const RESERVED_ENTRIES = 16
const RESERVED_BYTES = 2_048

export interface TraceOptions {
  readonly callId: string
  readonly caller: string
  readonly callee: string
  readonly nowMs: () => number
  readonly startedAt: Date
}

interface LegTrace {
  /** Of several users that ring, all of them; then the one that has answered. */
  party: string
  readonly kind: LegReport['kind']
  codec: string | undefined
  isAgreed: boolean
  /** When it came to a call that talks, or was agreed anew; undefined: as it was answered. */
  changedMs: CallMs | undefined
  stats: LegStats | undefined
  readonly climbed: Map<string, CallMs>
}

const STAGES_OF: Readonly<Record<LegReport['kind'], readonly Stage[]>> = {
  webrtc: ['S1', 'S2', 'S3', 'S4', 'S5'],
  dtls: ['S1', 'S2', 'S4', 'S5'],
  sdes: ['S1', 'S2', 'S5'],
  rtp: ['S1', 'S2'],
}

/** What happened in one call, as it happens: rungs climbed, things found, a bounded timeline. */
export class CallTrace {
  readonly #options: TraceOptions
  readonly #startMs: number
  readonly #legs = new Map<string, LegTrace>()
  readonly #callIds = new Set<string>()
  readonly #findings: Finding[] = []
  readonly #timeline: TimelineEntry[] = []
  #callee: string
  #bytes = 0
  #omitted = 0
  #state: CallState = 'routing'
  #answeredMs: CallMs | undefined
  #endedMs: CallMs | undefined
  #endedBy: string | undefined
  #said: string | undefined
  #ending: Finding | undefined
  #isCancelled = false

  constructor(options: TraceOptions) {
    const { callId, caller, callee } = options
    this.#options = {
      ...options,
      callId: keptCallId(callId),
      caller: detached(caller),
      callee: detached(callee),
    }
    this.#startMs = options.nowMs()
    this.#callee = this.#options.callee
  }

  get callId(): string {
    return this.#options.callId
  }

  /** The party of a leg has not taken the call, and another is called in its place. */
  goesOn(leg: string, to: string, why: string): void {
    this.note('goes on', { leg }, `${why}; to ${to}`)
    this.#legs.delete(leg)
    this.#callee = detached(to)
  }

  /** The target of a transfer that has failed, or that found no place: the call goes on without it. */
  dropped(leg: string, why: string): void {
    this.note('dropped', { leg }, why)
    this.#legs.delete(leg)
  }

  /** Of legs beside the caller's. */
  get otherCallIds(): ReadonlySet<string> {
    return this.#callIds
  }

  /** `user:alice`: of every leg that there was. */
  get parties(): ReadonlySet<string> {
    const { caller, callee } = this.#options
    return new Set([caller, callee, this.#callee, ...[...this.#legs.values()].map(({ party }) => party)])
  }

  /** Since the INVITE. */
  get nowMs(): CallMs {
    return this.#nowMs()
  }

  /** The leg that what ended the call stands on. */
  get failedLeg(): string | undefined {
    return this.#ending?.leg
  }

  get answeredMs(): CallMs | undefined {
    return this.#answeredMs
  }

  /** A leg that comes to the call; `climbed`: what `rungsOf` said of it in the call that it was one of before. */
  leg(name: string, party: string, kind: LegReport['kind'], climbed: readonly string[] = []): void {
    if (this.#legs.has(name)) return
    if (this.#legs.size >= TRACE_LIMITS.legs) {
      this.#omitted += 1
      return
    }
    const now = this.#nowMs()
    const rungs = new Map(climbed.map((rung) => [rung, now]))
    const changedMs = this.#state === 'connected' ? now : undefined
    const none = { codec: undefined, stats: undefined, isAgreed: false }
    this.#legs.set(name, { party: detached(party), kind, ...none, changedMs, climbed: rungs })
  }

  /** Of several users that a leg was for, the one that has answered. */
  answeredBy(name: string, party: string): void {
    const leg = this.#legs.get(name)
    if (leg === undefined) return
    // A party that a transfer calls later is a leg of its own, and the call stays one to the party called first.
    if (this.#callee === leg.party) this.#callee = detached(party)
    leg.party = detached(party)
  }

  /** What a leg has climbed. */
  rungsOf(name: string): readonly string[] {
    return [...(this.#legs.get(name)?.climbed.keys() ?? [])]
  }

  dialog(callId: string): void {
    const kept = keptCallId(callId)
    if (kept !== this.callId && this.#callIds.size < TRACE_LIMITS.legs) this.#callIds.add(kept)
  }

  climb(name: string, stage: Stage, direction?: 'received' | 'sent'): void {
    const leg = this.#legs.get(name)
    const rung = rungName(stage, direction)
    if (leg !== undefined && !leg.climbed.has(rung)) leg.climbed.set(rung, this.#nowMs())
  }

  /** When a rung was climbed; undefined before. */
  climbedMs(name: string, stage: Stage, direction?: 'received' | 'sent'): CallMs | undefined {
    return this.#legs.get(name)?.climbed.get(rungName(stage, direction))
  }

  /** When a leg last came to the talking call or was agreed anew; undefined: it is as it was answered. */
  changedMs(name: string): CallMs | undefined {
    return this.#legs.get(name)?.changedMs
  }

  agreed(name: string, codec: string | undefined): void {
    const leg = this.#legs.get(name)
    if (leg !== undefined) {
      if (leg.isAgreed) leg.changedMs = this.#nowMs()
      leg.isAgreed = true
      leg.codec = codec
    }
    this.climb(name, 'S2')
  }

  measured(name: string, stats: LegStats): void {
    const leg = this.#legs.get(name)
    if (leg !== undefined) leg.stats = stats
  }

  /** A line of the timeline. What does not fit is counted; `isLast`: it may take what is kept for the end. */
  note(what: string, { leg, direction }: Place, detail?: string, isLast = false): void {
    const text =
      detail === undefined || detail.length <= TRACE_LIMITS.entryBytes
        ? detail
        : `${detail.slice(0, TRACE_LIMITS.entryBytes)}...`
    const size = what.length + (text?.length ?? 0)
    const [entries, bytes] = isLast ? [0, 0] : [RESERVED_ENTRIES, RESERVED_BYTES]
    if (
      this.#timeline.length + entries >= TRACE_LIMITS.entries ||
      this.#bytes + size + bytes > TRACE_LIMITS.bytes
    ) {
      this.#omitted += 1
      return
    }
    this.#bytes += size
    this.#timeline.push({
      atMs: this.#nowMs(),
      what,
      ...(leg === undefined ? {} : { leg }),
      ...(direction === undefined ? {} : { direction }),
      ...(text === undefined ? {} : { detail: detached(text) }),
    })
  }

  /** Something wrong that the call goes on with. False when it was found before at this place. */
  addFinding(verdict: Verdict): boolean {
    const isKnown = this.#findings.some((found) => isSamePlace(found, verdict))
    if (isKnown || this.#findings.length >= TRACE_LIMITS.findings) return false
    this.#add(verdict)
    return true
  }

  enter(state: CallState): void {
    this.#state = state
    if (state === 'connected') this.#answeredMs ??= this.#nowMs()
  }

  end(how: {
    readonly verdict?: Verdict | undefined
    readonly by?: string | undefined
    /** Why, in the words of who hung up. */
    readonly said?: string | undefined
    readonly isCancelled: boolean
  }): void {
    this.#state = 'ended'
    this.#endedMs = this.#nowMs()
    this.#endedBy = how.by
    this.#said = how.said === undefined ? undefined : detached(how.said)
    this.#isCancelled = how.isCancelled
    if (how.verdict !== undefined) this.#ending = this.#addEnding(how.verdict)
    this.note(
      'ended',
      { leg: how.by ?? how.verdict?.leg },
      how.isCancelled ? 'cancelled' : (how.verdict?.code ?? how.said),
      true,
    )
  }

  report(): CallReport {
    const { callId, caller, startedAt } = this.#options
    const verdict = this.#ending ?? lowest(this.#findings)
    return {
      callId,
      otherCallIds: [...this.#callIds],
      caller,
      callee: this.#callee,
      state: this.#state,
      startedAt: startedAt.toISOString(),
      ...(this.#answeredMs === undefined ? {} : { answeredMs: this.#answeredMs }),
      ...(this.#endedMs === undefined ? {} : { endedMs: this.#endedMs }),
      ...(this.#endedBy === undefined ? {} : { endedBy: this.#endedBy }),
      ...(this.#said === undefined ? {} : { said: this.#said }),
      outcome: this.#outcome(),
      ...(verdict === undefined ? {} : { verdict }),
      findings: [...this.#findings],
      legs: [...this.#legs].map(([name, leg]) => this.#legReport(name, leg)),
      timeline: [...this.#timeline],
      omitted: this.#omitted,
    }
  }

  #outcome(): Outcome {
    if (this.#ending !== undefined) return 'failed'
    if (this.#isCancelled) return 'cancelled'
    return this.#findings.length > 0 ? 'impaired' : 'ok'
  }

  /** It may have been found before, and stands there once. */
  #addEnding(verdict: Verdict): Finding {
    const known = this.#findings.findIndex((found) => isSamePlace(found, verdict))
    if (known >= 0) this.#findings.splice(known, 1)
    return this.#add(verdict)
  }

  #add(verdict: Verdict): Finding {
    const { stage, code, message, expected, seen } = verdict
    const finding: Finding = {
      ...verdict,
      message: detached(message),
      ...(expected === undefined ? {} : { expected: detached(expected) }),
      ...(seen === undefined ? {} : { seen: detached(seen) }),
      atMs: this.#nowMs(),
    }
    this.#findings.push(finding)
    this.note('finding', verdict, `${stage} ${code}: ${message}`, true)
    return finding
  }

  #legReport(name: string, leg: LegTrace): LegReport {
    const places: readonly Omit<Rung, 'state'>[] = [
      ...STAGES_OF[leg.kind].map((stage) => ({ stage })),
      ...(leg.kind === 'rtp' && leg.climbed.has('S5') ? [{ stage: 'S5' } as const] : []),
      { stage: 'S6', direction: 'received' },
      { stage: 'S6', direction: 'sent' },
    ]
    return {
      name,
      party: leg.party,
      kind: leg.kind,
      ...(leg.codec === undefined ? {} : { codec: leg.codec }),
      rungs: places.map((place) => this.#rung(name, leg, place)),
      ...(leg.stats === undefined ? {} : { stats: leg.stats }),
    }
  }

  #rung(name: string, leg: LegTrace, place: Omit<Rung, 'state'>): Rung {
    const { stage, direction } = place
    const found = this.#findings.filter(
      (finding) =>
        finding.stage === stage &&
        // What is nobody's, such as a limit, stands with the caller.
        (finding.leg ?? 'caller') === name &&
        (direction === undefined || finding.direction === undefined || finding.direction === direction),
    )
    const failed = found.find((finding) => finding === this.#ending)
    const [impaired] = found
    const climbedMs = leg.climbed.get(rungName(stage, direction))
    if (failed !== undefined) return { ...place, state: 'failed', atMs: failed.atMs }
    if (impaired !== undefined) return { ...place, state: 'impaired', atMs: climbedMs ?? impaired.atMs }
    return climbedMs === undefined
      ? { ...place, state: 'open' }
      : { ...place, state: 'climbed', atMs: climbedMs }
  }

  #nowMs(): CallMs {
    return Math.round(this.#options.nowMs() - this.#startMs)
  }
}

const isSamePlace = (one: Verdict, other: Verdict): boolean =>
  one.code === other.code && one.leg === other.leg && one.direction === other.direction

const rungName = (stage: Stage, direction: string | undefined): string =>
  direction === undefined ? stage : `${stage} ${direction}`

/** What is wrong further down explains what is wrong above it. */
function lowest(findings: readonly Finding[]): Finding | undefined {
  return findings.reduce<Finding | undefined>(
    (low, finding) => (low === undefined || finding.stage < low.stage ? finding : low),
    undefined,
  )
}
