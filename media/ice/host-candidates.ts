import { isIP } from 'node:net'
import type { IceCandidate } from '../parameters.ts'

/** RFC 8445 §5.1.2.2. */
const HOST_TYPE_PREFERENCE = 126
const COMPONENT = 1

/**
 * One host candidate per local address, in the order of preference given. `announced` replaces the addresses of its
 * own family (1:1 NAT: the world knows us by another address), except loopback, which no NAT translates.
 */
export function hostCandidates(
  addresses: readonly string[],
  announced: readonly string[],
  port: number,
): readonly IceCandidate[] {
  const seen = new Set(addresses.map((address) => announcedFor(address, announced)))
  return [...seen].map((address, index) => ({
    foundation: `${index + 1}`,
    priority: HOST_TYPE_PREFERENCE * 2 ** 24 + (65_535 - index) * 2 ** 8 + (256 - COMPONENT),
    type: 'host',
    address,
    port,
  }))
}

/** What the world knows a local address by: the announced one of its family, but loopback stays itself. */
export function announcedFor(address: string, announced: readonly string[]): string {
  if (address === '::1' || address.startsWith('127.')) return address
  return announced.find((other) => isIP(other) === isIP(address)) ?? address
}
