import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownAddress } from './own-address.ts'
import { PeerProcess } from './peer-process.ts'
import { freePort, freePortRange, isTcpPortTaken } from './ports.ts'
import { waitFor } from './wait-for.ts'

const RELAY_PORTS = 32

/** coturn on this machine's own address, with a secret that it shares with the gateway. It relays to no loopback address. */
export class Coturn {
  readonly address: string
  readonly port: number
  readonly #process: PeerProcess
  readonly #folder: string

  static async start(secret: string): Promise<Coturn> {
    const address = ownAddress()
    const port = await freePort(address)
    const relay = await freePortRange(RELAY_PORTS, address)
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-coturn-'))
    const child = new PeerProcess('turnserver', [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--log-file', 'stdout', '--simple-log', '--verbose'],
      ...['--listening-ip', address, '--relay-ip', address, '--listening-port', String(port)],
      ...['--min-port', String(relay), '--max-port', String(relay + RELAY_PORTS - 1)],
      ...['--realm', 'turn.test', '--use-auth-secret', '--static-auth-secret', secret],
      ...['--userdb', join(folder, 'turndb'), '--pidfile', join(folder, 'turnserver.pid')],
    ])
    await waitFor(
      'coturn to listen',
      async () => child.exitCode !== undefined || (await isTcpPortTaken(port, address)),
      {},
      () => child.output,
    )
    return new Coturn(child, folder, address, port)
  }

  private constructor(child: PeerProcess, folder: string, address: string, port: number) {
    this.#process = child
    this.#folder = folder
    this.address = address
    this.port = port
  }

  get log(): string {
    return this.#process.output
  }

  async close(): Promise<void> {
    await this.#process.stop('SIGTERM', 3_000)
    await rm(this.#folder, { recursive: true, force: true })
  }
}
