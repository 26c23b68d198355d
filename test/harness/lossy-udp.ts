import { createSocket, type Socket } from 'node:dgram'
import { seeded } from './seeded.ts'

/** `late`: behind the datagrams of the next 30 ms. `twice`: at once, and once more later. */
export type Fate = 'pass' | 'drop' | 'twice' | 'late'

export type UdpWay = 'to-target' | 'from-target'

/** Decides over one datagram. */
export type LossyRule = (datagram: string, way: UdpWay) => Fate

const LATE_MS = 30

/** Both ways alike; what is neither lost, doubled nor late passes. */
export const atRandom = (
  seed: number,
  shares: { readonly drop?: number; readonly twice?: number; readonly late?: number },
): LossyRule => {
  const next = seeded(seed)
  const { drop = 0, twice = 0, late = 0 } = shares
  return () => {
    const chance = next()
    if (chance < drop) return 'drop'
    if (chance < drop + twice) return 'twice'
    return chance < drop + twice + late ? 'late' : 'pass'
  }
}

/** The same, but what is repeated is lost only once: nobody waits for it longer than for its first repetition. */
export const atRandomOnce = (...of: Parameters<typeof atRandom>): LossyRule => {
  const fateOf = atRandom(...of)
  const lost = new Set<string>()
  return (datagram, way) => {
    const fate = fateOf(datagram, way)
    if (fate !== 'drop') return fate
    if (lost.has(datagram)) return 'pass'
    lost.add(datagram)
    return 'drop'
  }
}

/** Drops the first `count` datagrams that match, passes the rest. */
export const dropFirst = (pattern: RegExp, way: UdpWay, count = 1): LossyRule => {
  let left = count
  return (datagram, datagramWay) => {
    if (left === 0 || way !== datagramWay || !pattern.test(datagram)) return 'pass'
    left -= 1
    return 'drop'
  }
}

const bind = (socket: Socket, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, '127.0.0.1', resolve)
  })

/**
 * A bad network for SIP between one client and one target: the client sends to `port`, the target sees this proxy and answers
 * to it. Media goes past it.
 *
 *     const network = await LossyUdp.start({ port: trunkPort, targetPort: sipp.sipPort, rule: atRandom(1, { drop: 0.25 }) })
 */
export class LossyUdp {
  /** What became of the datagrams so far. */
  readonly counts: Record<Fate, number> = { pass: 0, drop: 0, twice: 0, late: 0 }
  readonly #front: Socket
  readonly #back: Socket
  readonly #targetPort: number
  readonly #rule: LossyRule
  readonly #timers = new Set<NodeJS.Timeout>()
  #clientPort = 0

  static async start(options: {
    readonly port: number
    readonly targetPort: number
    readonly rule: LossyRule
  }): Promise<LossyUdp> {
    const [front, back] = [createSocket('udp4'), createSocket('udp4')]
    await bind(front, options.port)
    await bind(back, 0)
    return new LossyUdp(front, back, options.targetPort, options.rule)
  }

  private constructor(front: Socket, back: Socket, targetPort: number, rule: LossyRule) {
    this.#front = front
    this.#back = back
    this.#targetPort = targetPort
    this.#rule = rule
    front.on('message', (datagram, { port }) => {
      this.#clientPort = port
      this.#carry(datagram, 'to-target')
    })
    back.on('message', (datagram) => this.#carry(datagram, 'from-target'))
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await new Promise<void>((resolve) => this.#front.close(() => resolve()))
    await new Promise<void>((resolve) => this.#back.close(() => resolve()))
  }

  #carry(datagram: Buffer, way: UdpWay): void {
    const fate = this.#rule(datagram.toString('latin1'), way)
    this.counts[fate] += 1
    if (fate === 'pass' || fate === 'twice') this.#send(datagram, way)
    if (fate === 'pass' || fate === 'drop') return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#send(datagram, way)
    }, LATE_MS)
    this.#timers.add(timer)
  }

  #send(datagram: Buffer, way: UdpWay): void {
    if (way === 'to-target') this.#back.send(datagram, this.#targetPort, '127.0.0.1')
    else if (this.#clientPort !== 0) this.#front.send(datagram, this.#clientPort, '127.0.0.1')
  }
}
