import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { SocketAddress } from '../sip/flow.ts'

const WILDCARDS: readonly string[] = ['0.0.0.0', '::']

/**
 * The local addresses a configured host stands for. A wildcard becomes every address of its family, one socket each,
 * so that a reply always leaves from the address that was asked.
 */
export function expandHost(host: string): readonly string[] {
  return WILDCARDS.includes(host) ? ownAddresses(isIPv6(host) ? 'IPv6' : 'IPv4', true) : [host]
}

/** Our addresses of one family, link-local ones left out (they need a scope that SDP cannot carry). */
export function ownAddresses(family: 'IPv4' | 'IPv6', withLoopback: boolean): readonly string[] {
  const found = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => entry.family === family && (withLoopback || !entry.internal))
    .map((entry) => entry.address)
    .filter((address) => !/^(?:169\.254\.|fe80:)/i.test(address))
  return [...new Set(found)]
}

/** The local address the kernel would send from towards `remote`; nothing is sent. */
export function localAddressTowards(remote: SocketAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(remote.address) ? 'udp6' : 'udp4')
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.connect(remote.port, remote.address, () => {
      const { address } = socket.address()
      socket.close()
      resolve(address)
    })
  })
}
