import { MediaFailure } from '../failure.ts'

export interface PortPoolOptions {
  /** Both inclusive; RTP takes the even ports whose odd neighbour (RTCP) is in the range too. */
  readonly min: number
  readonly max: number
  /** How long a released port is left alone as long as there are others, so that late packets of the last call meet a closed port. */
  readonly restMs: number
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * The RTP ports of trunk legs. Handed out in a ring from a random start: a port is used again as late as possible.
 * It only counts; binding, and trying the next port when another process holds this one, is for the caller.
 */
export class PortPool {
  readonly #free: number[] = []
  /** In order of release, which is the order of waking since all rest equally long. */
  readonly #resting: { readonly port: number; readonly untilMs: number }[] = []
  readonly #leased = new Set<number>()
  readonly #options: PortPoolOptions

  constructor(options: PortPoolOptions) {
    this.#options = options
    const ports: number[] = []
    for (let port = options.min + (options.min % 2); port + 1 <= options.max; port += 2) ports.push(port)
    const start = Math.floor(options.random() * ports.length)
    this.#free.push(...ports.slice(start), ...ports.slice(0, start))
  }

  get leased(): number {
    return this.#leased.size
  }

  /** When all that are free rest, the one that has rested longest: no call is refused for the sake of late packets. Throws `media.no-port`. */
  lease(nowMs: number): number {
    this.#wake(nowMs)
    const port = this.#free.shift() ?? this.#resting.shift()?.port
    if (port === undefined) {
      const { min, max } = this.#options
      throw new MediaFailure('media.no-port', {
        expected: `a free even port in ${min}-${max}`,
        seen: `${this.#leased.size} in use`,
      })
    }
    this.#leased.add(port)
    return port
  }

  /** A port that is not leased is ignored. */
  release(port: number, nowMs: number): void {
    if (!this.#leased.delete(port)) return
    this.#resting.push({ port, untilMs: nowMs + this.#options.restMs })
  }

  /** A leased port is no longer one of the pool: it is bound for good. */
  keep(port: number): void {
    this.#leased.delete(port)
  }

  #wake(nowMs: number): void {
    const awake = this.#resting.findIndex(({ untilMs }) => untilMs > nowMs)
    const woken = this.#resting.splice(0, awake < 0 ? this.#resting.length : awake)
    for (const { port } of woken) this.#free.push(port)
  }
}
