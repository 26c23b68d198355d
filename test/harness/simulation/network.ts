import type { MemoryFlow } from '../memory-flow.ts'
import { seeded } from '../seeded.ts'
import type { WatchedLink, WireWatch } from './wire-watch.ts'

/** What a network does to datagrams; shares of 0 to 1. */
export interface Weather {
  readonly loss: number
  readonly twice: number
  /** Up to so much later than usual, in milliseconds. */
  readonly lateMs: number
  readonly seed: number
}

export const FINE: Weather = { loss: 0, twice: 0, lateMs: 0, seed: 0 }

/** One link between the gateway and a peer: watched, and as good or bad as a history wants it. */
export class Network {
  /** Another one with each connection. */
  link: WatchedLink
  readonly near: MemoryFlow
  readonly far: MemoryFlow
  #weather = FINE
  #random = seeded(0)
  isCut = false

  /** `near` is the gateway's end. `onLost`: something was sent while the connection was cut. */
  constructor(
    name: string,
    { near, far }: { readonly near: MemoryFlow; readonly far: MemoryFlow },
    watch: WireWatch,
    onWire: (line: string) => void,
    onLost: () => void = () => {},
  ) {
    this.link = { name, isClosed: false }
    this.near = near
    this.far = far
    near.fate = (text) => {
      onWire(`${name} <- ${text}`)
      watch.sends(text, this.link)
      return this.#fate()
    }
    near.takes = (text) => {
      if (this.isCut) return false
      onWire(`${name} -> ${text}`)
      watch.receives(text, this.link)
      return true
    }
    far.fate = () => this.#fate()
    far.takes = () => !this.isCut
    near.drops = () => {
      if (this.isCut) onLost()
      return this.isCut
    }
  }

  set weather(weather: Weather) {
    this.#weather = weather
    this.#random = seeded(weather.seed)
  }

  /** The connection is gone, and with it what is under way. */
  cut(): void {
    this.isCut = true
    this.link.isClosed = true
  }

  /** There is another one. */
  mend(): void {
    this.isCut = false
    this.link = { name: this.link.name, isClosed: false }
  }

  get isFine(): boolean {
    return this.#weather === FINE && !this.isCut
  }

  #fate(): readonly number[] {
    const { loss, twice, lateMs } = this.#weather
    if (loss === 0 && twice === 0 && lateMs === 0) return [0]
    const late = (): number => Math.floor(this.#random() * lateMs)
    if (this.#random() < loss) return []
    return this.#random() < twice ? [late(), late()] : [late()]
  }
}
