import { userInfo } from 'node:os'
import { PeerProcess } from './peer-process.ts'
import { freePort, isUdpPortTaken } from './ports.ts'
import { waitFor } from './wait-for.ts'

export interface Zone {
  /** `name,address`, as dnsmasq takes them. */
  readonly hosts?: readonly string[]
  /** `_service._proto.domain,target,port,priority,weight` */
  readonly srv?: readonly string[]
  /** `name,order,preference,flags,service,regexp,replacement` */
  readonly naptr?: readonly string[]
}

/** dnsmasq with nothing but the records of a test. */
export class DnsServer {
  /** `address:port` */
  readonly address: string
  readonly #process: PeerProcess

  static async start({ hosts = [], srv = [], naptr = [] }: Zone): Promise<DnsServer> {
    const port = await freePort()
    const child = new PeerProcess('/usr/sbin/dnsmasq', [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--log-facility=-',
      '--log-queries',
      `--user=${userInfo().username}`,
      `--port=${port}`,
      '--listen-address=127.0.0.1',
      '--bind-interfaces',
      '--no-resolv',
      '--no-hosts',
      '--local=/test/',
      '--local-ttl=30',
      ...hosts.map((record) => `--host-record=${record}`),
      ...srv.map((record) => `--srv-host=${record}`),
      ...naptr.map((record) => `--naptr-record=${record}`),
    ])
    await waitFor(
      'dnsmasq to listen',
      async () => child.exitCode !== undefined || (await isUdpPortTaken(port)),
      {},
      () => child.output,
    )
    return new DnsServer(child, `127.0.0.1:${port}`)
  }

  private constructor(child: PeerProcess, address: string) {
    this.#process = child
    this.address = address
  }

  /** What it was asked and what it said. */
  get log(): string {
    return this.#process.output
  }

  async close(): Promise<void> {
    await this.#process.stop('SIGTERM', 3_000)
  }
}
