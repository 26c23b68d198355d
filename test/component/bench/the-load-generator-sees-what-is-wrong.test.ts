import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { LoadGenerator, type LoadResult } from '../../bench/media/load-generator.ts'
import { type FarEnds, SUITE } from '../../bench/media/system.ts'
import { buildLoadGenerator } from '../../bench/native/build.mjs'
import { SrtpReference } from '../../harness/srtp-reference.ts'

// The generator of `npm run bench` stands in judgement over others, so it is judged first: by a system in a few lines of
// JavaScript, with an SRTP that shares nothing with the generator's, and with one mistake at a time.

const CALLS = 3
const WARMUP_MS = 100
const WINDOW_MS = 400
/** Of the measured window, both directions. */
const SENT = (CALLS * 2 * WINDOW_MS) / 20
/** Number of a packet in the middle of the window: sequence numbers begin with 1000. */
const MIDDLE = 1_000 + (WARMUP_MS + WINDOW_MS / 2) / 20

/** A packet on its way, in the clear: what goes on instead of it. */
type Forward = (packet: Buffer, call: number, direction: 'to-plain' | 'to-secure') => readonly Onward[]
interface Onward {
  readonly packet: Buffer
  readonly call: number
}

let program = ''
beforeAll(() => {
  program = buildLoadGenerator()
}, 120_000)

async function openPort(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return socket
}

interface Ports {
  readonly plain: Socket
  readonly secure: Socket
  readonly far: FarEnds
  readonly srtp: SrtpReference
}

/** `alter`: the encrypted packet as it goes out. */
async function run(
  forward: Forward,
  alter: (sealed: Buffer) => Buffer = (sealed) => sealed,
): Promise<LoadResult> {
  const generator = await LoadGenerator.start(program, [])
  onTestFinished(() => generator.close())
  const ports: Ports[] = []
  for (let call = 0; call < CALLS; call++) {
    const far = generator.farEnds(call, 'sdes')
    if (far.keys.kind !== 'sdes') throw new Error('no key')
    const srtp = new SrtpReference(SUITE)
    srtp.receiveWith(Buffer.from(far.keys.key, 'hex'))
    const one = { plain: await openPort(), secure: await openPort(), far, srtp }
    const near = { plain: one.plain.address(), secure: one.secure.address() }
    generator.add(far, { ...near, keys: { kind: 'sdes', key: srtp.toRelay.toString('hex') } })
    ports.push(one)
  }
  ports.forEach(({ plain, secure, srtp }, index) => {
    plain.on('message', (packet) => {
      for (const onward of forward(packet, index, 'to-secure')) {
        const to = ports[onward.call]
        const { address, port } = to?.far.secure ?? { address: '', port: 0 }
        if (to !== undefined) to.secure.send(alter(to.srtp.protect(onward.packet)), port, address)
      }
    })
    secure.on('message', (packet) => {
      for (const onward of forward(srtp.unprotect(packet), index, 'to-plain')) {
        const { address, port } = ports[onward.call]?.far.plain ?? { address: '', port: 0 }
        plain.send(onward.packet, port, address)
      }
    })
  })
  return generator.run(process.pid, WARMUP_MS, WINDOW_MS)
}

const isMiddle = (packet: Buffer, call: number): boolean => call === 1 && packet.readUInt16BE(2) === MIDDLE
const sumOf = (faults: LoadResult['faults']): number =>
  Object.values(faults).reduce((total, count) => total + count, 0)

/** A mistake with one packet of each direction. */
const atMiddle =
  (mistake: (packet: Buffer, call: number) => readonly Onward[]): Forward =>
  (packet, call) =>
    isMiddle(packet, call) ? mistake(packet, call) : [{ packet, call }]

test('all packets, as they should be: nothing is wrong, and each has a time', async () => {
  const result = await run((packet, call) => [{ packet, call }])
  expect(result).toMatchObject({ sent: SENT, lost: 0, overflowed: 0, unsent: 0 })
  expect(sumOf(result.faults)).toBe(0)
  expect(result.latencyNs.samples).toBe(SENT)
  expect(result.latencyNs.p50).toBeGreaterThan(1_000)
  expect(result.forwarded).toBeGreaterThan(SENT * 0.8)
  expect(result.systemNs).toBeGreaterThan(0)
})

test('another SSRC and other sequence numbers, from the start: nothing is wrong', async () => {
  const result = await run((packet, call) => {
    const copy = Buffer.from(packet)
    copy.writeUInt16BE((packet.readUInt16BE(2) + 64_530) & 0xffff, 2)
    copy.writeUInt32BE(7, 8)
    return [{ packet: copy, call }]
  })
  expect(result.lost).toBe(0)
  expect(sumOf(result.faults)).toBe(0)
})

test('one packet lost in each direction', async () => {
  const result = await run(atMiddle(() => []))
  expect(result.lost).toBe(2)
  expect(sumOf(result.faults)).toBe(0)
})

test('one packet twice in each direction', async () => {
  const result = await run(
    atMiddle((packet, call) => [
      { packet, call },
      { packet, call },
    ]),
  )
  expect(result.lost).toBe(0)
  expect(result.faults).toMatchObject({ duplicate: 2 })
  expect(sumOf(result.faults)).toBe(2)
})

test('one payload with another byte in each direction', async () => {
  const result = await run(
    atMiddle((packet, call) => {
      const copy = Buffer.from(packet)
      copy.writeUInt8(packet.readUInt8(100) ^ 1, 100)
      return [{ packet: copy, call }]
    }),
  )
  expect(result.faults).toMatchObject({ payload: 2 })
  expect(result.lost).toBe(2)
})

test('one packet to another call in each direction', async () => {
  const result = await run(atMiddle((packet) => [{ packet, call: 0 }]))
  expect(result.faults.foreign).toBe(2)
  expect(result.lost).toBe(2)
})

test('one packet under a sequence number of its own', async () => {
  const result = await run((packet, call, direction) => {
    const copy = Buffer.from(packet)
    const isWrong = direction === 'to-plain' && isMiddle(packet, call)
    if (isWrong) copy.writeUInt16BE(packet.readUInt16BE(2) + 5_000, 2)
    return [{ packet: copy, call }]
  })
  expect(result.faults).toMatchObject({ order: 1 })
  expect(sumOf(result.faults)).toBe(1)
  expect(result.lost).toBe(1)
})

test('packets that do not authenticate', async () => {
  let count = 0
  const result = await run(
    (packet, call) => [{ packet, call }],
    (sealed) => {
      count++
      if (count % 10 === 0) sealed.writeUInt8(sealed.readUInt8(sealed.length - 1) ^ 1, sealed.length - 1)
      return sealed
    },
  )
  expect(result.faults.authentication).toBe(Math.floor(count / 10))
})
