import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { RelayProcess } from '../../harness/relay-process.ts'
import { until } from '../../harness/until.ts'
import { compile, WITHOUT_IO_URING } from '../../native/compile.ts'

const PACKET_MS = 20

function rtp(sequence: number): Buffer {
  const packet = Buffer.alloc(172, 0x55)
  packet.writeUInt16BE(0x8000)
  packet.writeUInt16BE(sequence, 2)
  packet.writeUInt32BE(sequence * 160, 4)
  packet.writeUInt32BE(7, 8)
  return packet
}

const local = (port: number) => ({ address: '127.0.0.1', port })

async function open(under: readonly string[] = [], threads: 1 | 2 = 1) {
  const peers = [await UdpPeer.open(), await UdpPeer.open()] as const
  const relay = new RelayProcess(under, threads)
  const ports = await relay.connect([peers[0].address.port, peers[1].address.port])
  return {
    relay,
    peers,
    /** From each peer to its leg. */
    send: (sequence: number) => {
      for (const [at, peer] of peers.entries()) peer.send(rtp(sequence), local(ports[at] ?? 0))
    },
    received: () => peers.map((peer) => peer.received.length),
  }
}

test.each([1, 2] as const)(
  'the JavaScript thread blocked for 2 s costs no packet, on %d relay threads',
  async (threads) => {
    const { relay, send, received } = await open([], threads)
    await relay.block(2_500)
    for (let sequence = 1; sequence <= 100; sequence += 1) {
      send(sequence)
      await delay(PACKET_MS)
    }
    // On a slow machine the thread may be free again before we have sent the last ones.
    const before = received()
    if (relay.isBlocked) await until(() => received().every((count) => count === 100))
    else expect(Math.min(...before)).toBeGreaterThan(50)
    await until(() => received().every((count) => count === 100))
    await until(() => !relay.isBlocked)
    const figures = async () =>
      (await relay.stats()).map(({ packetsSent, drops }) => ({ packetsSent, drops }))
    const all = { packetsSent: 100, drops: {} }
    const visitors = threads === 1 ? [] : [1, 2].map(() => ({ packetsSent: 0, drops: {} }))
    // The relay counts just after it has sent.
    await expect.poll(figures, { interval: 2, timeout: 10_000 }).toEqual([all, all, ...visitors])
  },
)

test('what a full socket could not hold is counted, and what it held is carried', async () => {
  const { relay, send, received } = await open()
  await relay.pause()
  let sent = 0
  const sendMore = async (count: number): Promise<void> => {
    for (const end = sent + count; sent < end; ) {
      send(++sent)
      if (sent % 50 === 0) await delay(1)
    }
  }
  await sendMore(1_000)
  relay.resume()
  await until(() => received().every((count) => count > 0))
  const settled = async (): Promise<boolean> => {
    const stats = await relay.stats()
    return stats.every(
      ({ packetsReceived, drops }) => packetsReceived + (drops['media.receive-overflow'] ?? 0) === sent,
    )
  }
  // The kernel says what it dropped with what comes next; that may be dropped too, as long as the socket is full.
  for (const endMs = Date.now() + 5_000; !(await settled()) && Date.now() < endMs; ) {
    await sendMore(1)
    await delay(20)
  }
  expect(await settled()).toBe(true)
  for (const { drops } of await relay.stats()) expect(drops['media.receive-overflow']).toBeGreaterThan(0)
})

test('what waits after a hold-up is carried in turn, so that no call has to wait for all of another', async () => {
  const peer = await UdpPeer.open()
  const relay = new RelayProcess()
  const ports = await relay.connect([peer.address.port, peer.address.port])
  const each = 10
  await relay.pause()
  // One leg's packets are all there before the other's first.
  for (const port of ports) {
    for (let sequence = 1; sequence <= each; sequence += 1) peer.send(rtp(sequence), local(port))
  }
  // Node sends in its next turn.
  await delay(10)
  relay.resume()
  await until(() => peer.received.length === ports.length * each)
  const ahead = peer.received.map((_, at) => {
    const [one, other] = ports.map(
      (port) => peer.received.slice(0, at).filter(({ from }) => from.port === port).length,
    )
    return Math.abs((one ?? 0) - (other ?? 0))
  })
  expect(Math.max(...ahead)).toBeLessThanOrEqual(2)
})

// Compiling comes first.
test('where the kernel refuses io_uring, as in most containers, packets are carried one by one', async () => {
  const { send, received } = await open([await compile(WITHOUT_IO_URING)])
  for (let sequence = 1; sequence <= 50; sequence += 1) {
    send(sequence)
    await delay(2)
  }
  await until(() => received().every((count) => count === 50))
}, 120_000)
