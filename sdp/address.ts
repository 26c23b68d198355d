import { isIP } from 'node:net'
import type { Connection } from './description.ts'
import { SdpFailure } from './failure.ts'

/**
 * The address of a `c=` or `a=rtcp` line as the media engine takes it: an IP address of one host. Host names are
 * refused (the engine resolves nothing, and a name would be looked up after the latch rules were settled), and so is
 * whatever would make us send to more than one host. `0.0.0.0` and `::` pass: they mean hold (RFC 3264 §8.4), and
 * `isUnspecified` tells.
 */
export function readAddress(connection: Connection): string {
  const { family, address } = connection
  if (isIP(address) !== family) {
    throw new SdpFailure('sdp.malformed', { expected: `an IPv${family} address`, seen: quote(address) })
  }
  if (!isUnspecified(address) && !isUnicast(address)) {
    throw new SdpFailure('sdp.malformed', { expected: 'an address of one host', seen: quote(address) })
  }
  return address
}

/** RFC 3264 §8.4: the old way to say hold. Never an address to send to. */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || /^[0:]+$/.test(address)
}

export function addressFamilyOf(address: string): 4 | 6 {
  return isIP(address) === 6 ? 6 : 4
}

function isUnicast(address: string): boolean {
  if (isIP(address) === 4) {
    const first = Number(address.split('.', 1)[0])
    return first > 0 && first < 224
  }
  // Multicast; a zone is of the peer's machine, not ours; IPv4 written as IPv6 would get round the check above.
  const isOddIpv6 = /^ff|%/i.test(address) || /^[0:]*:ffff:/i.test(address) || address.includes('.')
  return !isOddIpv6
}

function quote(address: string): string {
  return JSON.stringify(address.slice(0, 64))
}
