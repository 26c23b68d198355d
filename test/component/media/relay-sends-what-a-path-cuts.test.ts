import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { openRelay } from '../../harness/relay-script.ts'

const NARROW = '127.9.9.9'
const MTU = 600
/** So that the kernel has several at once to send, and one alone. */
const PACKETS = 5
const PAYLOAD = 1000

/** A trunk leg whose peer is behind a path of 600 bytes, fed by another one. Node runs it as it stands, in a network of its own. */
const SCRIPT = `
const { createSocket } = require('node:dgram')
const relay = ${openRelay({ onReady: '() => { while (relay.takeBatch() !== undefined); }' })}
const [source, sink] = [createSocket('udp4'), createSocket('udp4')]
const received = []
const [from, to] = [20000, 20002].map((rtpPort, at) =>
  relay.addLeg({ kind: 'rtp', address: '127.0.0.1', rtpPort, ssrc: at + 1 }))
function rtp(sequence) {
  const packet = Buffer.alloc(12 + ${PAYLOAD}, sequence)
  packet.writeUInt16BE(0x8000, 0)
  packet.writeUInt16BE(sequence, 2)
  packet.writeUInt32BE(sequence * 8000, 4)
  packet.writeUInt32BE(7, 8)
  return packet
}
function finish() {
  console.log(JSON.stringify({ received, drops: relay.stats(to).drops }))
  process.exit()
}
sink.on('message', (packet) => {
  received.push(packet.length)
  if (received.length === 1) for (let sequence = 2; sequence <= ${PACKETS}; sequence++) source.send(rtp(sequence), 20000, '127.0.0.1')
  if (received.length === ${PACKETS}) finish()
})
sink.bind(0, '${NARROW}', () => source.bind(0, '127.0.0.1', () => {
  relay.setRemote(from, { rtp: { address: '127.0.0.1', port: source.address().port }, rtcp: undefined, latchMs: 0 })
  relay.setRemote(to, { rtp: sink.address(), rtcp: undefined, latchMs: 0 })
  for (const leg of [from, to]) for (const direction of ['receive', 'send']) relay.setKeys(leg, direction, 'none')
  relay.setRoute(from, { target: to, map: [{ from: 0, to: 0, clockRateHz: 8000 }] })
  relay.tables()
  source.send(rtp(1), 20000, '127.0.0.1')
  setTimeout(finish, 10000)
}))
`

test('a packet too long for its path goes in pieces, and so do all after it', () => {
  const network = [
    'ip link set lo up',
    `ip route add local ${NARROW} dev lo table local mtu ${MTU}`,
    `exec "$@"`,
  ].join(' && ')
  const command = ['-rn', 'sh', '-c', network, 'sh', process.execPath, '-e', SCRIPT]
  const { received, drops } = JSON.parse(execFileSync('unshare', command, { encoding: 'utf8' }))
  expect(drops).toEqual({})
  expect(received).toEqual(Array.from({ length: PACKETS }, () => 12 + PAYLOAD))
})
