import { createWriteStream, type WriteStream } from 'node:fs'
import type { Log } from '../../config/logging.ts'
import type { LegStats } from '../../media/engine.ts'
import type { CallReport, LegReport, Outcome } from './call-report.ts'

/** What one leg sounded like, as measured here. */
interface CdrLeg {
  readonly name: string
  readonly party: string
  readonly kind: LegReport['kind']
  readonly codec?: string
  /** Rungs of its ladder that were not reached, such as `S6 received`. Left out when there are none. */
  readonly open?: readonly string[]
  readonly stats?: Omit<LegStats, 'remote'>
}

/** One call in one line of JSON: what accounting and statistics want. No address, but where a peer said one. */
export interface Cdr {
  readonly callId: string
  readonly caller: string
  readonly callee: string
  readonly startedAt: string
  readonly ringS: number | undefined
  /** From the answer to the end; 0 when there was no answer. */
  readonly durationS: number
  readonly outcome: Outcome
  /** The leg that hung up. */
  readonly endedBy?: string
  /** Why, in its own words. */
  readonly said?: string
  readonly verdict?: {
    readonly stage: string
    readonly code: string
    readonly status: number
    readonly leg?: string | undefined
    readonly direction?: string | undefined
  }
  /** Codes of all that was found, in order. */
  readonly findings: readonly string[]
  readonly legs: readonly CdrLeg[]
}

export function cdrOf(report: CallReport): Cdr {
  const { callId, caller, callee, startedAt, answeredMs, endedMs, outcome, endedBy, said, verdict } = report
  return {
    callId,
    caller,
    callee,
    startedAt,
    ringS: answeredMs === undefined ? undefined : seconds(answeredMs),
    durationS: answeredMs === undefined || endedMs === undefined ? 0 : seconds(endedMs - answeredMs),
    outcome,
    ...(endedBy === undefined ? {} : { endedBy }),
    ...(said === undefined ? {} : { said }),
    ...(verdict === undefined
      ? {}
      : {
          verdict: {
            stage: verdict.stage,
            code: verdict.code,
            status: verdict.status,
            leg: verdict.leg,
            direction: verdict.direction,
          },
        }),
    findings: report.findings.map(({ code }) => code),
    legs: report.legs.map(legOf),
  }
}

function legOf({ name, party, kind, codec, rungs, stats }: LegReport): CdrLeg {
  const open = rungs
    .filter(({ state }) => state === 'open')
    .map(({ stage, direction }) => (direction === undefined ? stage : `${stage} ${direction}`))
  return {
    name,
    party,
    kind,
    ...(codec === undefined ? {} : { codec }),
    ...(open.length === 0 ? {} : { open }),
    ...(stats === undefined ? {} : { stats: withoutAddress(stats) }),
  }
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10

function withoutAddress({ remote: _, ...stats }: LegStats): Omit<LegStats, 'remote'> {
  return stats
}

/** Lines that may wait for a slow disk; past it they go into the log. */
const MAX_WAITING_BYTES = 8 * 2 ** 20
/** After a failure the file is tried again with a record so long after: no disk is full for ever, and nobody may think of SIGHUP. */
export const RETRY_MS = 60_000
/** What a disk that does not answer may take of a stop. */
const CLOSE_MS = 5_000

/** Call records: into a file, one line each, or without one into the log. */
export class CdrWriter {
  readonly #path: string | undefined
  readonly #log: Log
  readonly #nowMs: () => number
  /** When the file could not be written last; undefined: it can. */
  #failedMs: number | undefined
  /** The last line of the file may be without its end. */
  #isTorn = false
  #stream: WriteStream | undefined
  /** Of the file: not yet known to be written. */
  readonly #waiting = new Set<Cdr>()
  /** Since the file was opened. */
  #isSlow = false

  constructor(path: string | undefined, log: Log, nowMs: () => number = () => performance.now()) {
    this.#path = path
    this.#log = log
    this.#nowMs = nowMs
    this.reopen()
  }

  write(record: Cdr): void {
    this.#retry()
    const stream = this.#stream
    if (stream === undefined) this.#writeToLog(record)
    else if (stream.writableLength > MAX_WAITING_BYTES) {
      if (!this.#isSlow) this.#log.warn('call records wait for a slow disk', { path: this.#path })
      this.#isSlow = true
      this.#writeToLog(record)
    } else {
      this.#waiting.add(record)
      stream.write(`${JSON.stringify(record)}\n`, (error) => {
        // Of each that waited, when the first could not be written.
        if (this.#waiting.delete(record) && error) this.#writeToLog(record)
        if (!error && this.#stream === stream) this.#written()
      })
    }
  }

  /** Not while a stream is open, or being opened: on a disk that hangs each try would take one more thread, and as many bytes again. */
  #retry(): void {
    if (this.#stream !== undefined || this.#failedMs === undefined) return
    if (this.#nowMs() - this.#failedMs >= RETRY_MS) this.reopen()
  }

  #written(): void {
    if (this.#failedMs === undefined) return
    this.#failedMs = undefined
    this.#log.info('call records are written again', { path: this.#path })
  }

  #writeToLog(record: Cdr): void {
    this.#log.info('call record', { ...record })
  }

  /** The file by its name again, when it was rotated away. */
  reopen(): void {
    const path = this.#path
    if (path === undefined) return
    this.#stream?.end()
    const stream = createWriteStream(path, { flags: 'a', mode: 0o640 })
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#log.error('call records cannot be written', { error, path })
      // Into the log then, so that none is lost for the want of a disk.
      if (this.#stream !== stream) return
      this.#stream = undefined
      this.#failedMs = this.#nowMs()
      this.#isTorn ||= error.syscall === 'write'
    })
    // A disk that is full takes part of a line.
    if (this.#isTorn) {
      stream.write('\n', (error) => {
        if (!error) this.#isTorn = false
      })
    }
    this.#stream = stream
    this.#isSlow = false
  }

  /** Resolves when all is written; what is not by then goes into the log too, where it may stand twice. */
  async close(withinMs = CLOSE_MS): Promise<void> {
    const stream = this.#stream
    this.#stream = undefined
    if (stream === undefined || stream.destroyed) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      stream.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      stream.end()
    })
    if (this.#waiting.size > 0)
      this.#log.warn('call records wait for a disk that does not answer', { path: this.#path })
    for (const record of this.#waiting) this.#writeToLog(record)
    this.#waiting.clear()
  }
}
