import type { LogConfig } from './config.ts'

/** A stream as `process.stdout`, or any that tells what waits in it. */
export type LogStream = NodeJS.WritableStream & { readonly writableLength?: number }

/** What may wait for a reader that is held up: half a minute of a busy daemon. Errors may take as much again. */
export const MAX_WAITING_BYTES = 8 * 2 ** 20

/**
 * Lines for a reader that does not read are left out past a limit, and how many is said when it reads again. Otherwise they would
 * all be kept, until the kernel ends the daemon and its calls for want of memory.
 */
export class SlowReader {
  readonly #stream: LogStream
  readonly #told: (leftOut: number) => void
  #leftOut = 0

  /** `told` is called when all that waited has been read. */
  constructor(stream: LogStream, told: (leftOut: number) => void) {
    this.#stream = stream
    this.#told = told
  }

  /** Whether a line of this level is to be written. */
  takes(level: LogConfig['level']): boolean {
    const most = level === 'error' ? 2 * MAX_WAITING_BYTES : MAX_WAITING_BYTES
    if ((this.#stream.writableLength ?? 0) <= most) return true
    if (this.#leftOut === 0) this.#stream.once('drain', () => this.#tell())
    this.#leftOut += 1
    return false
  }

  #tell(): void {
    const leftOut = this.#leftOut
    this.#leftOut = 0
    this.#told(leftOut)
  }
}
