import { lookup, Resolver } from 'node:dns/promises'
import type { DnsAnswer, DnsQueries, NaptrRecord, SrvRecord } from '../../sip/routing/locate.ts'

/** How long a name server may take before it is asked again, and how often: calls wait for none of this, a start for a part (`START_MS`). */
const TIMEOUT_MS = 2_000
const TRIES = 2

/** What a name server says that has no records of the kind asked for. */
const NOTHING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

/**
 * The DNS. With `servers`, those and nothing else; without, this machine's, and addresses as it finds them for everything
 * else (hosts file, search domains).
 */
export class Dns implements DnsQueries {
  readonly #resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  readonly #isOwn: boolean

  constructor(servers: readonly string[]) {
    this.#isOwn = servers.length > 0
    if (this.#isOwn) this.#resolver.setServers(servers)
  }

  async naptr(name: string): Promise<DnsAnswer<NaptrRecord>> {
    const found = await orNothing(this.#resolver.resolveNaptr(name))
    // Node.js does not tell how long these hold.
    return { ttlS: undefined, records: found }
  }

  async srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    return { ttlS: undefined, records: await orNothing(this.#resolver.resolveSrv(name)) }
  }

  async addresses(host: string): Promise<DnsAnswer<string>> {
    const asked = eitherOf(
      orNothing(this.#resolver.resolve4(host, { ttl: true })),
      orNothing(this.#resolver.resolve6(host, { ttl: true })),
    )
    const records = this.#isOwn ? await asked : await asked.catch(() => [])
    const ttlS = records.length === 0 ? undefined : Math.min(...records.map(({ ttl }) => ttl))
    if (this.#isOwn) return { ttlS, records: records.map(({ address }) => address) }
    const known = await orNothing(lookup(host, { all: true }))
    return { ttlS, records: known.map(({ address }) => address) }
  }

  /** Questions under way have no answer. */
  close(): void {
    this.#resolver.cancel()
  }
}

/** Name servers fail to answer for one family more often than one would think. Rejects when nothing was found and there may be something. */
async function eitherOf<Entry>(...asked: readonly Promise<readonly Entry[]>[]): Promise<readonly Entry[]> {
  const answers = await Promise.allSettled(asked)
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  const failed = answers.find((answer) => answer.status === 'rejected')
  if (found.length === 0 && failed !== undefined) throw failed.reason
  return found
}

async function orNothing<Entry>(asked: Promise<readonly Entry[]>): Promise<readonly Entry[]> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Error && 'code' in error && NOTHING.has(String(error.code))) return []
    throw error
  }
}
