import { createSocket, type Socket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'

/**
 * Ports of peers that tests start, below those that Linux gives by itself (net.ipv4.ip_local_port_range), so that nobody's port 0
 * lands there, and below those of the demo's media. They come in blocks, each of one process at a time: a port may be named long
 * before a peer binds it, and be bound again after it was free between two tests.
 */
const FIRST = 8_000
const BLOCK = 8
const BLOCKS = 1_048
/** What holds a block: this port on an address of its own, which the kernel frees with its process. */
const LOCK_PORT = 7_999
const lockAddress = (block: number): string => `127.77.${block >> 8}.${block & 0xff}`
const ATTEMPTS = 1_000

/** Blocks of this process, for as long as it lives. */
const held: Socket[] = []
/** Of the last block, what `freePort` has not handed out. */
let left: number[] = []

const bindUdp = (port: number, host: string): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    socket.once('error', () => {
      socket.close()
      resolve(undefined)
    })
    socket.bind(port, host, () => resolve(socket))
  })

export const isUdpPortTaken = async (port: number, host = '127.0.0.1'): Promise<boolean> => {
  const socket = await bindUdp(port, host)
  if (socket === undefined) return true
  await new Promise<void>((resolve) => socket.close(resolve))
  return false
}

export const isTcpPortTaken = (port: number, host = '127.0.0.1'): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(true))
    server.listen(port, host, () => server.close(() => resolve(false)))
  })

const isFree = async (port: number, host: string): Promise<boolean> =>
  !(await isUdpPortTaken(port, host)) && !(await isTcpPortTaken(port, host))

/** Blocks in a row that nobody else has, from now on ours; the first port of the first. */
const holdBlocks = async (count: number): Promise<number> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first = Math.floor(Math.random() * (BLOCKS - count + 1))
    const locks: Socket[] = []
    for (let block = first; block < first + count; block += 1) {
      const lock = await bindUdp(LOCK_PORT, lockAddress(block))
      if (lock === undefined) break
      locks.push(lock)
    }
    if (locks.length === count) {
      for (const lock of locks) held.push(lock.unref())
      return FIRST + first * BLOCK
    }
    for (const lock of locks) lock.close()
  }
  throw new Error(`no ${count} blocks of ports in a row that no other test has`)
}

const portsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index)

/** A port free for UDP and TCP alike (SIP peers open both). */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = left.shift()
    if (port === undefined) left = portsFrom(await holdBlocks(1), BLOCK)
    else if (await isFree(port, host)) return port
  }
  throw new Error('no free port found')
}

/** First of `count` ports in a row, free for UDP and TCP; the first is even, as RTP wants it (RFC 3550 §11). */
export const freePortRange = async (count: number, host = '127.0.0.1'): Promise<number> => {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const first = await holdBlocks(Math.ceil(count / BLOCK))
    const free = await Promise.all(portsFrom(first, count).map((port) => isFree(port, host)))
    if (!free.includes(false)) return first
  }
  throw new Error(`no ${count} free ports in a row found`)
}
