import { createSocket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'

/** Ports handed out in this process: two callers never get the same one, even before they bind it. */
const handedOut = new Set<number>()

const bindUdp = (port: number, host: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    socket.once('error', () => {
      socket.close()
      resolve(undefined)
    })
    socket.bind(port, host, () => {
      const bound = socket.address().port
      socket.close(() => resolve(bound))
    })
  })

const bindTcp = (port: number, host: string): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined))
    })
  })

export const isUdpPortTaken = async (port: number, host = '127.0.0.1'): Promise<boolean> =>
  (await bindUdp(port, host)) === undefined

export const isTcpPortTaken = async (port: number, host = '127.0.0.1'): Promise<boolean> =>
  (await bindTcp(port, host)) === undefined

/** A port free for UDP and TCP alike (SIP peers open both). */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = await bindTcp(0, host)
    if (port === undefined || handedOut.has(port)) continue
    if ((await bindUdp(port, host)) === undefined) continue
    handedOut.add(port)
    return port
  }
  throw new Error('no free port found')
}

/** First of `count` ports in a row, free for UDP and TCP; the first is even, as RTP wants it (RFC 3550 §11). */
export const freePortRange = async (count: number, host = '127.0.0.1'): Promise<number> => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    // Below the ephemeral range, so that nobody's port 0 lands in it meanwhile.
    const first = 12_000 + 2 * Math.floor((Math.random() * (32_000 - 12_000 - count)) / 2)
    const ports = Array.from({ length: count }, (_, index) => first + index)
    if (ports.some((port) => handedOut.has(port))) continue
    const bound = await Promise.all(ports.flatMap((port) => [bindUdp(port, host), bindTcp(port, host)]))
    if (bound.includes(undefined)) continue
    for (const port of ports) handedOut.add(port)
    return first
  }
  throw new Error(`no ${count} free ports in a row found`)
}
