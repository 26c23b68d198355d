import { createSocket } from 'node:dgram'
import { isIP, isIPv6, SocketAddress as NodeAddress } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isLinkLocal } from '../config/machine.ts'
import type { SocketAddress } from '../sip/flow.ts'

const WILDCARDS: readonly string[] = ['0.0.0.0', '::']

/** One text for each address: IPv6 has many spellings. */
export const canonicalAddress = (address: string): string =>
  isIPv6(address) ? new NodeAddress({ address, family: 'ipv6' }).address : address

/**
 * The local addresses that configured ones stand for. A wildcard becomes every address of its family, one socket each,
 * so that a reply always leaves from the address that was asked.
 */
export function expandHost(hosts: readonly string[]): readonly string[] {
  const all = hosts.flatMap((host) =>
    WILDCARDS.includes(host) ? ownAddresses(isIPv6(host) ? 'IPv6' : 'IPv4', true) : [host],
  )
  return [...new Set(all)]
}

/** Our addresses of one family, link-local ones left out. */
export function ownAddresses(family: 'IPv4' | 'IPv6', withLoopback: boolean): readonly string[] {
  const found = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => entry.family === family && (withLoopback || !entry.internal))
    .map((entry) => entry.address)
    .filter((address) => !isLinkLocal(address))
  return [...new Set(found)]
}

/**
 * The address of ours for SIP and media towards `remote`, among those that `hosts` stand for: what the kernel would send from,
 * else the first of the family. Rejects when none is of its family, or no way leads there.
 */
export async function localAddressTowards(remote: SocketAddress, hosts: readonly string[]): Promise<string> {
  const own = expandHost(hosts).filter((address) => isIP(address) === isIP(remote.address))
  const [first] = own
  if (first === undefined) throw new Error(`no local address of the family of ${remote.address}`)
  const chosen = await kernelsChoice(remote)
  return own.includes(chosen) ? chosen : first
}

/** The local address the kernel would send from towards `remote`; nothing is sent. */
function kernelsChoice(remote: SocketAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(remote.address) ? 'udp6' : 'udp4')
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    // Given to `connect`, a listener is called with the error too, and nothing is emitted.
    socket.once('connect', () => {
      const { address } = socket.address()
      socket.close()
      resolve(address)
    })
    socket.connect(remote.port, remote.address)
  })
}
