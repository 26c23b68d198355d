import type { SocketAddress } from '../../sip/flow.ts'

/**
 * The header that a proxy puts before the bytes of a connection (PROXY protocol version 2, as HAProxy defines it):
 *
 *      0                12     13        14       16
 *     | signature (12) | 2|cmd | family  | length | addresses of family, then extensions |
 */
export const PREFIX_LENGTH = 16
/** All after the prefix. Addresses take 216 at most; the rest is for extensions, which are skipped. */
const MAX_REST_LENGTH = 4_096

const SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
const LOCAL = 0x20
const PROXY = 0x21
const TCP_IPV4 = 0x11
const TCP_IPV6 = 0x21
const IPV4_LENGTH = 12
const IPV6_LENGTH = 36
/** ::ffff:0:0/96 */
const IPV4_MAPPED = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

/** How many bytes follow the first 16; undefined when they begin no such header. */
export function restLength(prefix: Buffer): number | undefined {
  if (prefix.length !== PREFIX_LENGTH || !prefix.subarray(0, SIGNATURE.length).equals(SIGNATURE))
    return undefined
  const command = prefix.readUInt8(12)
  const length = prefix.readUInt16BE(14)
  return (command === LOCAL || command === PROXY) && length <= MAX_REST_LENGTH ? length : undefined
}

/**
 * The client that the proxy speaks for. `own`: itself, as in a health check, or a family that says nothing to us; the connection's own
 * address then counts. Undefined: addresses cut short. `prefix` has passed `restLength`, and `rest` is as long as that said.
 */
export function proxiedSource(prefix: Buffer, rest: Buffer): SocketAddress | 'own' | undefined {
  if (prefix.readUInt8(12) === LOCAL) return 'own'
  switch (prefix.readUInt8(13)) {
    case TCP_IPV4:
      if (rest.length < IPV4_LENGTH) return undefined
      return { address: [...rest.subarray(0, 4)].join('.'), port: rest.readUInt16BE(8) }
    case TCP_IPV6:
      if (rest.length < IPV6_LENGTH) return undefined
      return { address: ipv6(rest), port: rest.readUInt16BE(32) }
    default:
      return 'own'
  }
}

/** Eight groups, nothing left out: it is compared and logged, not typed. IPv4 that was mapped into IPv6 is IPv4. */
function ipv6(bytes: Buffer): string {
  if (bytes.subarray(0, IPV4_MAPPED.length).equals(IPV4_MAPPED)) return [...bytes.subarray(12, 16)].join('.')
  return Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16)).join(':')
}
