import { isIP, isIPv6 } from 'node:net'
import type { Weighted } from './weighted-order.ts'

export type SipTransport = 'udp' | 'tcp' | 'tls'

export interface NaptrRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
}

export interface SrvRecord extends Weighted {
  readonly name: string
  readonly port: number
}

/** No records: the name has none of this kind. */
export interface DnsAnswer<Entry> {
  readonly records: readonly Entry[]
  /** Undefined where nobody says how long it holds. */
  readonly ttlS: number | undefined
}

/** The questions that are asked, injected; each rejects when there is no telling (no server answers, or one that fails). */
export interface DnsQueries {
  naptr(name: string): Promise<DnsAnswer<NaptrRecord>>
  srv(name: string): Promise<DnsAnswer<SrvRecord>>
  /** IPv4 and IPv6. */
  addresses(host: string): Promise<DnsAnswer<string>>
}

export interface Domain {
  readonly host: string
  /** Given, only addresses are asked for. */
  readonly port: number | undefined
  readonly transport: SipTransport | 'auto'
  /** What we can do ourselves, for `auto`; best first. */
  readonly supported: readonly SipTransport[]
}

/** One server, and all its addresses; see `weightedOrder` for which one a request tries first. */
export interface SipServer extends Weighted {
  readonly transport: SipTransport
  readonly port: number
  readonly addresses: readonly string[]
}

export interface Located {
  readonly servers: readonly SipServer[]
  /** The shortest time that one of the answers holds. */
  readonly ttlS: number | undefined
  /** A question had no answer, so there may be other servers than these. */
  readonly isDoubtful: boolean
}

/**
 * Whoever answers for a domain decides how much we ask and keep. The best by priority are taken, the others left; of equals
 * always the same ones, in whatever order they come, or each answer would name other servers.
 */
export const LOCATE_LIMITS = { naptrRecords: 16, srvRecords: 16, addressesPerHost: 8 } as const

export const defaultSipPort = (transport: SipTransport): number => (transport === 'tls' ? 5061 : 5060)

/** RFC 3263 §4.1, §4.2: where requests for a domain go. Never rejects; no server: there is none, or nobody knows. */
export async function locate(domain: Domain, queries: DnsQueries): Promise<Located> {
  const search = new Search(queries)
  const servers = await search.serversOf(domain)
  return { servers, ttlS: search.ttlS, isDoubtful: search.isDoubtful }
}

const SERVICES: Readonly<Record<string, SipTransport>> = {
  'SIP+D2U': 'udp',
  'SIP+D2T': 'tcp',
  'SIPS+D2T': 'tls',
}

const srvName = (transport: SipTransport, host: string): string =>
  ({ udp: '_sip._udp', tcp: '_sip._tcp', tls: '_sips._tcp' })[transport].concat('.', host)

/** So many of them that come first by `compare`, in the order they came in: name servers turn it to spread the load. */
function firstOf<Entry>(
  entries: readonly Entry[],
  limit: number,
  compare: (a: Entry, b: Entry) => number,
): readonly Entry[] {
  if (entries.length <= limit) return entries
  const first = new Set(entries.toSorted(compare).slice(0, limit))
  return entries.filter((entry) => first.has(entry))
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/** IPv4 first, as `DnsQueries.addresses` gives them. */
const byAddress = (a: string, b: string): number => Number(isIPv6(a)) - Number(isIPv6(b)) || byText(a, b)

const bySrv = (a: SrvRecord, b: SrvRecord): number =>
  a.priority - b.priority || byText(a.name, b.name) || a.port - b.port

/** Where SRV records of a transport are. */
interface Service {
  readonly name: string
  readonly transport: SipTransport
}

/** One location, with what it has learnt of its answers. */
class Search {
  readonly #queries: DnsQueries
  ttlS: number | undefined
  isDoubtful = false

  constructor(queries: DnsQueries) {
    this.#queries = queries
  }

  async serversOf({ host, port, transport, supported }: Domain): Promise<readonly SipServer[]> {
    // RFC 3263 §4.1: an address, or a port without a transport, means UDP.
    if (isIP(host) !== 0 || port !== undefined) {
      return this.#server(host, port, transport === 'auto' ? 'udp' : transport)
    }
    if (transport !== 'auto') {
      const found = await this.#bySrv({ name: srvName(transport, host), transport })
      return typeof found === 'string' ? this.#server(host, undefined, transport) : found
    }
    const named = await this.#servicesOf(host, supported)
    const usual = supported.map((one) => ({ name: srvName(one, host), transport: one }))
    return (
      (await this.#firstOf(named)) ?? (await this.#firstOf(usual)) ?? this.#server(host, undefined, 'udp')
    )
  }

  /** What NAPTR names, best first, of that which we can do. */
  async #servicesOf(host: string, supported: readonly SipTransport[]): Promise<readonly Service[]> {
    const records = await this.#ask(this.#queries.naptr(host))
    return records
      .toSorted((a, b) => a.order - b.order || a.preference - b.preference)
      .slice(0, LOCATE_LIMITS.naptrRecords)
      .flatMap(({ flags, service, replacement }) => {
        const transport = flags.toLowerCase() === 's' ? SERVICES[service.toUpperCase()] : undefined
        const isUsable = transport !== undefined && supported.includes(transport)
        return isUsable ? [{ name: replacement, transport }] : []
      })
  }

  /**
   * Of the first service that is there; undefined when none is. Where one does not tell, there is no server: an attacker that can keep the
   * answer about TLS from us shall not get UDP for it.
   */
  async #firstOf(services: readonly Service[]): Promise<readonly SipServer[] | undefined> {
    for (const service of services) {
      const found = await this.#bySrv(service)
      if (found === 'unanswered') return []
      if (found !== 'none') return found
    }
    return undefined
  }

  /** `none`: no such records. Empty: the service is not there, by decision (RFC 2782), or its hosts have no address. */
  async #bySrv({ name, transport }: Service): Promise<readonly SipServer[] | 'none' | 'unanswered'> {
    const records = await this.#answerTo(this.#queries.srv(name))
    if (records === undefined) return 'unanswered'
    if (records.length === 0) return 'none'
    const best = firstOf(records, LOCATE_LIMITS.srvRecords, bySrv)
      .toSorted((a, b) => a.priority - b.priority)
      .filter((record) => record.name !== '' && record.name !== '.' && record.port > 0)
    const servers = await Promise.all(
      best.map(async ({ priority, weight, port, name: host }) => ({
        transport,
        port,
        priority,
        weight,
        addresses: await this.#addressesOf(host),
      })),
    )
    return servers.filter(({ addresses }) => addresses.length > 0)
  }

  async #server(
    host: string,
    port: number | undefined,
    transport: SipTransport,
  ): Promise<readonly SipServer[]> {
    const addresses = isIP(host) === 0 ? await this.#addressesOf(host) : [host]
    if (addresses.length === 0) return []
    return [{ transport, port: port ?? defaultSipPort(transport), priority: 0, weight: 0, addresses }]
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host]
    const found = await this.#ask(this.#queries.addresses(host))
    return firstOf(found, LOCATE_LIMITS.addressesPerHost, byAddress)
  }

  async #ask<Entry>(asked: Promise<DnsAnswer<Entry>>): Promise<readonly Entry[]> {
    return (await this.#answerTo(asked)) ?? []
  }

  /** Undefined: there is no telling. */
  async #answerTo<Entry>(asked: Promise<DnsAnswer<Entry>>): Promise<readonly Entry[] | undefined> {
    try {
      const { records, ttlS } = await asked
      if (ttlS !== undefined) this.ttlS = Math.min(ttlS, this.ttlS ?? ttlS)
      return records
    } catch {
      this.isDoubtful = true
      return undefined
    }
  }
}
