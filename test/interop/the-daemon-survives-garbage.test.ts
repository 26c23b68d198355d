import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Authority } from '../harness/certificates.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { seeded } from '../harness/seeded.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'
import { ABOVE, INVALID, VALID } from '../vectors/rfc4475-messages.ts'

const authority = new Authority()
const folder = mkdtempSync(join(tmpdir(), 'webtrunk-garbage-'))

afterEach(closeAll)
afterAll(() => {
  authority.close()
  rmSync(folder, { recursive: true, force: true })
})

const MESSAGES_EACH = 1_500
/** Where a message costs a connection, or most of them do. */
const CONNECTIONS_EACH = 200
/** Below the bytes that a connection may send, so that every message is read. */
const FRAMES_EACH = 50
const BATCH = 20
const BATCH_PAUSE_MS = 10

const SEEDS: readonly Buffer[] = [VALID, INVALID, ABOVE].flatMap((group) =>
  Object.values(group).map((message) => message.bytes),
)

/** One torture message with a few bytes changed, cut or doubled; now and then nothing but noise. */
function mutated(random: () => number): Buffer {
  const seed = SEEDS[Math.floor(random() * SEEDS.length)] ?? Buffer.alloc(0)
  if (random() < 0.05) return Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() * 256)))
  const bytes = Buffer.from(seed)
  for (let turn = Math.floor(random() * 4); turn > 0; turn -= 1) {
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  }
  const cut = Math.floor(random() * bytes.length)
  if (random() < 0.2) return bytes.subarray(0, cut)
  return random() < 0.1 ? Buffer.concat([bytes, bytes.subarray(cut)]) : bytes
}

async function pour(
  send: (bytes: Buffer) => void | Promise<void>,
  seed: number,
  count = MESSAGES_EACH,
  batch = BATCH,
): Promise<void> {
  const random = seeded(seed)
  for (let sent = 0; sent < count; sent += 1) {
    await send(mutated(random))
    if (sent % batch === 0) await new Promise((resolve) => setTimeout(resolve, BATCH_PAUSE_MS))
  }
}

async function udpSocket(): Promise<DatagramSocket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closing({ close: async () => void socket.close() })
  return socket
}

/** A WebSocket that comes back when the daemon has cut it for what it sends, and before it is cut for how much. */
function tirelessWebSocket(url: string): (bytes: Buffer) => Promise<void> {
  let socket: WebSocket | undefined
  let sent = 0
  closing({ close: async () => socket?.terminate() })
  return async (bytes) => {
    if (socket === undefined || socket.readyState > WebSocket.OPEN || sent === FRAMES_EACH) {
      socket?.close()
      socket = new WebSocket(url, 'sip')
      sent = 0
      await once(socket, 'open')
      socket.on('error', () => {})
    }
    socket.send(bytes)
    sent += 1
  }
}

/** A connection that is made anew when the daemon cuts it, which it does at the first message that cannot be framed. */
function tirelessStream(connect: () => Socket): (bytes: Buffer) => void {
  let socket: Socket | undefined
  closing({ close: async () => void socket?.destroy() })
  return (bytes) => {
    if (socket === undefined || socket.closed || socket.readableEnded) {
      socket = connect()
      socket.on('error', () => {})
      socket.resume()
    }
    if (socket.writable) socket.write(bytes)
  }
}

/** One connection for each message; how many were answered. */
function oneByOne(connect: () => Socket): {
  readonly send: (bytes: Buffer) => void
  readonly answered: () => number
} {
  let answered = 0
  return {
    send: (bytes) => {
      const socket = connect()
      socket.on('error', () => {})
      socket.once('data', () => {
        answered += 1
      })
      socket.end(bytes)
      socket.resume()
    },
    answered: () => answered,
  }
}

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('mutated torture messages on every front end leave a daemon that serves the next call', async () => {
  const trunk = closing(await Sipp.start('uas-answer'))
  const sipPort = await freePort()
  const identity = authority.issue({ names: 'IP:127.0.0.1' })
  const listener = {
    host: '127.0.0.1',
    port: 0,
    certificate: file('gateway.pem', identity.certificate),
    key: file('gateway.key', identity.key),
  }
  const daemon = closing(
    await Daemon.start({
      trunks: [
        { port: trunk.sipPort },
        { name: 'tcp', port: await freePort(), transport: 'tcp' },
        { name: 'tls', port: await freePort(), transport: 'tls' },
      ],
      config: {
        web: { https: listener },
        udp: { host: '127.0.0.1', port: sipPort },
        tcp: { host: '127.0.0.1', port: 0 },
        tls: listener,
      },
    }),
  )
  // Some of it is an INVITE of the trunk to somebody whom nobody knows.
  daemon.verdicts.expectNoOtherThan(['call.unknown-number'])
  const udp = await udpSocket()
  const portOf = (address = ''): number => Number(address.split(':').at(-1))
  const plain = (port: number) => () => connectTcp(port, '127.0.0.1')
  const secret = (port: number) => () => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  // Each of many clients opens fewer than are refused to one.
  let clients = 0
  const from = () => ({ host: '127.0.0.1', localAddress: `127.0.2.${1 + (clients++ % 200)}` })
  const web = (url: string): number => Number(new URL(url).port)
  const http = oneByOne(() => connectTcp({ port: web(daemon.webSocketUrl), ...from() }))
  const https = oneByOne(() =>
    connectTls({ port: web(daemon.securePageUrl ?? ''), ...from(), rejectUnauthorized: false }),
  )
  await Promise.all([
    pour(tirelessWebSocket(daemon.webSocketUrl), 1),
    // 127.0.0.1 is the trunk's address: these are read as the trunk's.
    pour((bytes) => udp.send(bytes, sipPort, '127.0.0.1'), 2),
    pour(http.send, 3),
    pour(https.send, 4, CONNECTIONS_EACH),
    pour(tirelessStream(plain(portOf(daemon.tcpAddress))), 5, CONNECTIONS_EACH, 1),
    pour(tirelessStream(secret(portOf(daemon.tlsAddress))), 6, CONNECTIONS_EACH, 1),
  ])
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: 1000 })
  await call.waitForTone(440)
  await call.hangUp()
  await expectSuccess(trunk)
  await daemon.waitForNoCalls()
  expect(await daemon.stop()).toBe(0)
  // The most of it was read. Of a stream that cannot be framed nothing is any more, what was sent with it included.
  const most = expect.toSatisfy((count: number) => count > MESSAGES_EACH / 2)
  const some = expect.toSatisfy((count: number) => count > CONNECTIONS_EACH / 20)
  expect(daemon.log.findLast(({ message }) => message === 'counters')).toMatchObject({
    websocket: { received: most },
    udp: { '127.0.0.1': { received: most } },
    tcp: { '127.0.0.1': { received: some, cutMalformed: some, cutStranger: 0 } },
    tls: { '127.0.0.1': { received: some, cutMalformed: some, cutStranger: 0 } },
  })
  expect(http.answered()).toBeGreaterThan(MESSAGES_EACH / 2)
  expect(https.answered()).toBeGreaterThan(CONNECTIONS_EACH / 2)
})
