import { isIPv4, isIPv6 } from 'node:net'
import type { TransportAddress } from './parameters.ts'

/** `192.0.2.1:5004`, `[2001:db8::1]:5004`. */
export function formatAddress(at: TransportAddress): string {
  return at.address.includes(':') ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`
}

/** 4 or 16 bytes in network order; undefined when `address` is not an IP address. A zone (`%eth0`) is left out. */
export function addressBytes(address: string): Uint8Array | undefined {
  const text = address.split('%', 1)[0] ?? ''
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  if (isIPv6(text)) return ipv6Bytes(text)
  return undefined
}

/** The same text for every spelling of one address, of IPv4 in IPv6 too; what is no address stays as it is. */
export function addressKey(address: string): string {
  const bytes = addressBytes(address)
  if (bytes === undefined) return address
  return addressText(isMapped(bytes) ? bytes.subarray(12) : bytes)
}

/** The same text for every spelling of one place. */
export const placeKey = ({ address, port }: TransportAddress): string =>
  formatAddress({ address: addressKey(address), port })

const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 &&
  bytes.subarray(0, 10).every((byte) => byte === 0) &&
  bytes[10] === 0xff &&
  bytes[11] === 0xff

/** 0.0.0.0 and ::, in any spelling: nobody's address, which a kernel would take for this machine. */
export function isUnspecified(address: string): boolean {
  const bytes = addressBytes(address)
  if (bytes === undefined) return false
  return (isMapped(bytes) ? bytes.subarray(12) : bytes).every((byte) => byte === 0)
}

/** The text of 4 or 16 bytes; IPv6 in full, uncompressed groups. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let at = 0; at < bytes.length; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16))
  }
  return groups.join(':')
}

/** `text` has passed `isIPv6`, so that only its three shapes are left: full, with `::`, with a dotted tail. */
function ipv6Bytes(text: string): Uint8Array {
  const [head = '', tail] = text.split('::')
  const front = groupBytes(head)
  const back = tail === undefined ? [] : groupBytes(tail)
  const bytes = new Uint8Array(16)
  bytes.set(front, 0)
  bytes.set(back, 16 - back.length)
  return bytes
}

function groupBytes(groups: string): number[] {
  if (groups === '') return []
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
