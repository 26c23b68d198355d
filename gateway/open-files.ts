import { readdir, readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import { DEFAULT_STREAM_LIMITS } from '../sip/transport/stream-limits.ts'
import { mostCalls } from './calls/capacity.ts'

/** File descriptors of this process: a socket is one. */
export interface OpenFiles {
  readonly open: number
  /** The soft one, which Node.js raises to the hard one at start. */
  readonly limit: number
}

/** Each leg of a trunk has a socket for RTP and one for RTCP. */
const FILES_PER_CALL = 2
/** Of trunks, by TCP and by TLS. */
const CONNECTIONS_OF_TRUNKS = 2 * DEFAULT_STREAM_LIMITS.maxConnections
/** Threads, listeners, HTTP beside SIP. */
const OTHER_FILES = 512
/** Percent of the limit: past it connections and calls are about to fail. */
const FEW_LEFT = 90
/** Percent below which there are enough again: less, so that a number about the limit is told once. */
const ENOUGH_LEFT = 80

/** Rejects with the error of the system; of two kinds there is a reason to look: EMFILE and ENFILE. */
export async function openFiles(): Promise<OpenFiles> {
  const [limits, open] = await Promise.all([readFile('/proc/self/limits', 'utf8'), readdir('/proc/self/fd')])
  const limit = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return { open: open.length, limit: limit === undefined ? Infinity : Number(limit) }
}

/**
 * Says when the daemon has no file descriptors left, or almost none, and when it has again. Nobody else would: the kernel's answer to
 * a browser is then a connection that is closed at once, before anything of ours has seen it.
 */
export class OpenFilesWatch {
  readonly #log: Pick<Log, 'warn' | 'error' | 'info'>
  readonly #read: () => Promise<OpenFiles>
  #areFew = false
  #isLooking = false

  constructor(log: Pick<Log, 'warn' | 'error' | 'info'>, read: () => Promise<OpenFiles> = openFiles) {
    this.#log = log
    this.#read = read
  }

  /** One warning where the limit is lower than what the configuration allows others to open. */
  async checkLimit(config: Config): Promise<void> {
    // Where there is no /proc nobody can say: nothing is lost but this warning.
    const files = await this.#read().catch(() => undefined)
    const wanted =
      config.web.maxConnections + mostCalls(config) * FILES_PER_CALL + CONNECTIONS_OF_TRUNKS + OTHER_FILES
    if (files !== undefined && files.limit < wanted)
      this.#log.warn(
        'fewer file descriptors than the configuration may need: raise LimitNOFILE (ulimit -n)',
        {
          limit: files.limit,
          wanted,
        },
      )
  }

  /** To be called now and then; does nothing while an earlier one waits for the kernel. Never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    // Not to get a descriptor for the question is an answer to it; without /proc there is none.
    const files = await this.#read().catch((error: unknown) => {
      return isFull(error) ? { open: Infinity, limit: Infinity } : undefined
    })
    this.#isLooking = false
    if (files === undefined) return
    const areFew = files.open * 100 >= files.limit * (this.#areFew ? ENOUGH_LEFT : FEW_LEFT)
    if (areFew === this.#areFew) return
    this.#areFew = areFew
    const fields = Number.isFinite(files.open) ? { ...files } : {}
    if (areFew) this.#log.error('no file descriptors are left, or few: connections and calls fail', fields)
    else this.#log.info('there are file descriptors again', fields)
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')
