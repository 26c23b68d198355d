import { createSocket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'

/** Ports handed out in this process: two callers never get the same one, even before they bind it. */
const handedOut = new Set<number>()

/** Below the ephemeral range, so that nobody's port 0 lands there meanwhile. */
const FIRST_PORT = 12_000
const SLICE = 5_000
const SLICES = 4
/** Test files run beside each other, each with ranges from a slice of its own: one that is not bound yet is not given to another. */
const firstOfSlice = FIRST_PORT + SLICE * ((Number(process.env.VITEST_POOL_ID ?? 1) - 1) % SLICES)

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

/** A port free for UDP and TCP alike (SIP peers open both), and outside every range of trunk media, the default one too. */
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
    const first = firstOfSlice + 2 * Math.floor((Math.random() * (SLICE - count)) / 2)
    const ports = Array.from({ length: count }, (_, index) => first + index)
    if (ports.some((port) => handedOut.has(port))) continue
    const bound = await Promise.all(ports.flatMap((port) => [bindUdp(port, host), bindTcp(port, host)]))
    if (bound.includes(undefined)) continue
    for (const port of ports) handedOut.add(port)
    return first
  }
  throw new Error(`no ${count} free ports in a row found`)
}
