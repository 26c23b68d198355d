import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { CORES, onCore } from './cores.ts'
import type { GatewayReply, GatewayRequest } from './gateway-messages.ts'
import type { FarEnds, MediaSystem, NearEnds, TrunkPorts } from './system.ts'

/** `run.mjs` puts both files into one folder. */
const PROGRAM = fileURLToPath(new URL('media-gateway.js', import.meta.url))

/** The gateway's media engine in a Node process of its own. */
export class GatewaySystem implements MediaSystem {
  readonly pid: number
  readonly #child: ChildProcess

  /** `ports`: of trunk legs. `gatherUs`: as in the configuration. */
  static async start(ports: TrunkPorts, gatherUs: number): Promise<GatewaySystem> {
    const [command = '', ...args] = [
      ...onCore(CORES.system),
      process.execPath,
      '--expose-gc',
      PROGRAM,
      ports,
      String(gatherUs),
    ]
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const system = new GatewaySystem(child)
    await system.#next('ready')
    return system
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    this.pid = child.pid ?? 0
  }

  async open(calls: readonly FarEnds[]): Promise<readonly NearEnds[]> {
    this.#send({ kind: 'open', calls })
    return (await this.#next('opened')).calls
  }

  async collect(): Promise<void> {
    this.#send({ kind: 'collect' })
    await this.#next('collected')
  }

  async drops(): Promise<Readonly<Record<string, number>>> {
    this.#send({ kind: 'drops' })
    return (await this.#next('drops')).drops
  }

  async close(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  #send(request: GatewayRequest): void {
    this.#child.send(request)
  }

  async #next<Kind extends GatewayReply['kind']>(
    kind: Kind,
  ): Promise<Extract<GatewayReply, { readonly kind: Kind }>> {
    const ended = new AbortController()
    const exit = once(this.#child, 'exit', { signal: ended.signal }).then(([code]) => {
      throw new Error(`the gateway process ended with ${String(code)}`)
    })
    try {
      const [reply] = (await Promise.race([once(this.#child, 'message'), exit])) as [GatewayReply]
      if (reply.kind === 'failed') throw new Error(`the gateway process: ${reply.reason}`)
      if (!isOfKind(reply, kind))
        throw new Error(`${kind} expected from the gateway process, ${reply.kind} came`)
      return reply
    } finally {
      // The race has told already if the process ended; what is left to reject is the abort that follows.
      exit.catch(() => undefined)
      ended.abort()
    }
  }
}

function isOfKind<Kind extends GatewayReply['kind']>(
  reply: GatewayReply,
  kind: Kind,
): reply is Extract<GatewayReply, { readonly kind: Kind }> {
  return reply.kind === kind
}
