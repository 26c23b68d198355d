import { BlockList, isIP } from 'node:net'

/** A proxy at a Unix socket that names no client. */
const THIS_HOST = '127.0.0.1'

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6')

/** IPv4 as itself, whatever socket it came by; no zone. */
export const plainAddress = (address: string): string => {
  const [bare = ''] = address.split('%')
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare
}

/** The proxies whose word about their clients counts: addresses, and networks as `10.0.0.0/8`. */
export class TrustedProxies {
  readonly #networks = new BlockList()
  /** An empty list need not be asked. */
  readonly isEmpty: boolean

  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0
    for (const network of networks) {
      const [address = '', prefix] = network.split('/')
      if (prefix === undefined) this.#networks.addAddress(address, familyOf(address))
      else this.#networks.addSubnet(address, Number(prefix), familyOf(address))
    }
  }

  has(address: string): boolean {
    const asked = plainAddress(address)
    return !this.isEmpty && isIP(asked) !== 0 && this.#networks.check(asked, familyOf(asked))
  }

  /**
   * The client, as the proxy at `hop` (undefined: at a Unix socket, and so trusted) names it in X-Forwarded-For. Each proxy adds whom it heard at the end, so the list is
   * read from there, as long as the proxy that added it is trusted: what stands further left may be the client's own invention.
   */
  clientOf(hop: string | undefined, forwardedFor: string): string {
    let client = hop === undefined ? undefined : plainAddress(hop)
    for (const entry of forwardedFor.split(',').reverse()) {
      const named = addressIn(entry)
      if (named === undefined || (client !== undefined && !this.has(client))) break
      client = named
    }
    return client ?? THIS_HOST
  }
}

/** `192.0.2.1`, `192.0.2.1:5060`, `2001:db8::1`, `[2001:db8::1]:5060`; undefined for anything else, `unknown` too. */
function addressIn(entry: string): string | undefined {
  const text = entry.trim()
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? dotted ?? text
  return isIP(address) === 0 ? undefined : plainAddress(address)
}
