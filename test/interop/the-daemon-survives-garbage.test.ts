import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { seeded } from '../component/sip/virtual-clock.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'
import { ABOVE, INVALID, VALID } from '../vectors/rfc4475-messages.ts'

afterEach(closeAll)

const MESSAGES_EACH = 1_500
/** Below the front ends' own limits on rate, so that every message is read. */
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

async function pour(send: (bytes: Buffer) => void, seed: number): Promise<void> {
  const random = seeded(seed)
  for (let sent = 0; sent < MESSAGES_EACH; sent += 1) {
    send(mutated(random))
    if (sent % BATCH === 0) await new Promise((resolve) => setTimeout(resolve, BATCH_PAUSE_MS))
  }
}

async function udpSocket(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closing({ close: async () => void socket.close() })
  return socket
}

/** A WebSocket that comes back when the daemon cuts it for what it sends. */
function tirelessWebSocket(url: string): (bytes: Buffer) => void {
  let socket: WebSocket | undefined
  closing({ close: async () => socket?.terminate() })
  return (bytes) => {
    if (socket === undefined || socket.readyState > WebSocket.OPEN) {
      socket = new WebSocket(url, 'sip')
      socket.on('error', () => {})
    }
    // What falls into a reconnect is lost; the next message is as good.
    if (socket.readyState === WebSocket.OPEN) socket.send(bytes)
  }
}

test('mutated torture messages on every front end leave a daemon that serves the next call', async () => {
  const trunk = closing(await Sipp.start('uas-answer'))
  const sipPort = await freePort()
  const daemon = closing(
    await Daemon.start({
      trunks: [{ port: trunk.sipPort }],
      config: { udp: { host: '127.0.0.1', port: sipPort } },
    }),
  )
  // Some of it is an INVITE of the trunk to somebody whom nobody knows.
  daemon.verdicts.expectNoOtherThan(['call.unknown-number'])
  const udp = await udpSocket()
  const http = new URL(daemon.webSocketUrl)
  await Promise.all([
    pour(tirelessWebSocket(daemon.webSocketUrl), 1),
    // 127.0.0.1 is the trunk's address: these are read as the trunk's.
    pour((bytes) => udp.send(bytes, sipPort, '127.0.0.1'), 2),
    pour((bytes) => {
      const socket = connect(Number(http.port), http.hostname)
      socket.on('error', () => {})
      socket.end(bytes)
      socket.resume()
    }, 3),
  ])
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: 1000 })
  await call.waitForTone(440)
  await call.hangUp()
  await expectSuccess(trunk)
  expect(daemon.log.filter(({ level }) => level === 'error')).toEqual([])
  await daemon.waitForNoCalls()
})
