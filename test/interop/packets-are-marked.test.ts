import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Log } from '../../config/logging.ts'
import { SocketMarks } from '../../gateway/web/socket-marks.ts'
import type { Flow } from '../../sip/flow.ts'
import type { PeerTls } from '../../sip/transport/peer-flow.ts'
import { StreamTransport } from '../../sip/transport/stream.ts'
import { UdpTransport } from '../../sip/transport/udp.ts'
import { Capture, type Packet } from '../harness/capture.ts'
import { Authority, type Identity } from '../harness/certificates.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { Sipp } from '../harness/sipp.ts'
import { waitFor } from '../harness/wait-for.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const AF31 = 26
const CS3 = 24
const EF = 46
const MESSAGE = Buffer.from('MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n')

let authority: Authority
let identity: Identity
beforeAll(() => {
  authority = new Authority()
  identity = authority.issue({ names: 'DNS:pbx.example' })
})
afterEach(closeAll)
afterAll(() => authority.close())

const warnings: string[] = []
const write = (message: string): void => void warnings.push(message)
const log: Log = { error: write, warn: write, info: write, debug: write, child: () => log }

/** What left `port`, other than the packets by which a connection comes and goes. */
const sentBy = (packets: readonly Packet[], port: number): readonly Packet[] =>
  packets.filter(({ sourcePort, payload }) => sourcePort === port && payload.length > 0)

const marksOf = (packets: readonly Packet[]): readonly number[] => [
  ...new Set(packets.map(({ dscp }) => dscp)),
]

test.each(['127.0.0.1', '::1'])('a call at %s: SIP is CS3, voice to both sides EF', async (address) => {
  const pbx = closing(await Sipp.start('uas-answer', { address, toneHz: 440 }))
  const daemon = closing(
    await Daemon.start({
      trunks: [{ host: address, port: pbx.sipPort }],
      config: { udp: { host: address }, media: { addresses: [address] } },
    }),
  )
  const capture = closing(await Capture.start('udp'))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const family = { useIpv4: address === '127.0.0.1', useIpv6: address === '::1' }
  const call = await alice.call('9100', { toneHz: 1000, ...family })
  await call.waitForTone(440, 1_000)
  await call.hangUp()
  await expectSuccess(pbx)
  await daemon.waitForNoCalls()
  const packets = (await capture.stop()).filter(({ source }) => source.includes(':') === family.useIpv6)
  const sipPort = Number(daemon.sipAddress.split(':').at(-1))
  expect(marksOf(sentBy(packets, sipPort))).toEqual([CS3])
  expect(marksOf(sentBy(packets, daemon.webrtcPort))).toEqual([EF])
  const toPbx = packets.filter(
    ({ sourcePort, payload }) =>
      sourcePort >= daemon.rtpPorts.min && sourcePort <= daemon.rtpPorts.max && payload.length > 100,
  )
  expect(toPbx.length).toBeGreaterThan(20)
  expect(marksOf(toPbx)).toEqual([EF])
})

describe.each(['127.0.0.1', '::1'])('SIP from %s', (address) => {
  const handler = { onMessage: () => {}, onClose: () => {}, onTrouble: () => {} }
  const open = async (transport: 'udp' | 'tcp' | 'tls', marks: SocketMarks) => {
    const common = { address: { address, port: 0 }, token: () => 'id', onSocket: marks.mark }
    const made =
      transport === 'udp'
        ? await UdpTransport.open({ ...common, handler, scopeOf: () => 'trunk:pbx' })
        : await StreamTransport.open({
            ...common,
            handler: { ...handler, onMessage: (_bytes: Buffer, flow: Flow) => flow.send(MESSAGE) },
            peersAt: (remote) => [{ name: 'pbx', scope: 'trunk:pbx', remote, tls: undefined }],
            strangerScope: 'stranger',
            ...(transport === 'tls' ? { identity } : {}),
          })
    closing({ close: async () => made.close() })
    return made
  }

  test('over UDP', async () => {
    const marks = new SocketMarks(AF31, log)
    const transport = await open('udp', marks)
    const { port } = transport.local
    const capture = closing(await Capture.start(`udp port ${port}`))
    if (!(transport instanceof UdpTransport)) throw new Error('no UDP')
    transport.flowTo(address, 9).send(MESSAGE)
    await waitFor('the datagram', async () => (await capture.soFar()).length > 0)
    expect(marksOf(sentBy(await capture.stop(), port))).toEqual([AF31])
    expect(marks.counters()).toEqual({ marked: 1, unmarked: 0 })
  })

  test.each(['tcp', 'tls'] as const)(
    'over %s, by a connection of ours and by one of the peer',
    async (name) => {
      const marks = new SocketMarks(AF31, log)
      const here = await open(name, marks)
      const there = await open(name, new SocketMarks(0, log))
      if (!(here instanceof StreamTransport) || !(there instanceof StreamTransport))
        throw new Error('no stream')
      const capture = closing(
        await Capture.start(`tcp port ${here.local.port} or tcp port ${there.local.port}`),
      )
      const tls: PeerTls | undefined =
        name === 'tcp'
          ? undefined
          : {
              name: 'pbx.example',
              wildcards: false,
              ca: authority.certificate,
              identity: undefined,
              alpn: false,
              isCertificateRequired: false,
              minVersion: 'TLSv1.2',
            }
      // Each side answers what it gets, so that bytes flow both ways until the capture has seen enough.
      here.flowTo({ name: 'pbx', scope: 'trunk:pbx', remote: there.local, tls }).send(MESSAGE)
      there.flowTo({ name: 'pbx', scope: 'trunk:pbx', remote: here.local, tls }).send(MESSAGE)
      const ours = (packets: readonly Packet[]) => ({
        connected: packets.filter(
          ({ destinationPort, payload }) => destinationPort === there.local.port && payload.length > 0,
        ),
        accepted: sentBy(packets, here.local.port),
      })
      await waitFor('messages both ways', async () => {
        const { connected, accepted } = ours(await capture.soFar())
        return connected.length > 1 && accepted.length > 1
      })
      here.close()
      there.close()
      const packets = await capture.stop()
      expect(marksOf(ours(packets).connected)).toEqual([AF31])
      expect(marksOf(ours(packets).accepted)).toEqual([AF31])
      expect(marksOf(sentBy(packets, there.local.port)), 'the other side does not mark').toEqual([0])
      expect(warnings).toEqual([])
    },
  )
})

test('a socket that cannot be marked is told once and counted', async () => {
  const marks = new SocketMarks(CS3, log)
  const server = createServer()
  // Not listening, so there is no file descriptor.
  marks.mark(server)
  marks.mark(server)
  expect(warnings.splice(0)).toEqual(['a socket is not marked, nor may others be'])
  expect(marks.counters()).toEqual({ marked: 0, unmarked: 2 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  marks.mark(server)
  server.close()
  expect(marks.counters()).toEqual({ marked: 1, unmarked: 2 })
})
