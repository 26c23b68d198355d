import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { Capture, kindOfDatagram } from '../harness/capture.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const TRUNK_HZ = 500
/** SIPp over TCP sends back what it hears, between its own: one tone for both. */
const BROWSER_HZ = { udp: 1_000, tcp: TRUNK_HZ } as const

interface Sides {
  readonly browser: string
  readonly trunk: string
  readonly transport: 'udp' | 'tcp'
}

const start = async ({ browser, trunk, transport }: Sides, sipPort: number) => {
  const daemon = closing(
    await Daemon.start({
      trunks: [{ host: trunk, port: sipPort, transport }],
      config: {
        udp: { host: trunk },
        tcp: { host: trunk, port: 0 },
        // Nothing but this family is offered to the browser.
        media: { addresses: [browser] },
      },
    }),
  )
  const options = { useIpv4: browser === '127.0.0.1', useIpv6: browser === '::1' }
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, alice, options: { toneHz: BROWSER_HZ[transport], ...options } }
}

const SIDES: readonly Sides[] = [
  { browser: '::1', trunk: '127.0.0.1', transport: 'udp' },
  { browser: '127.0.0.1', trunk: '::1', transport: 'udp' },
  { browser: '::1', trunk: '::1', transport: 'tcp' },
]

test.each(SIDES)('a browser at $browser calls a trunk at $trunk over $transport', async (sides) => {
  const { browser, trunk, transport } = sides
  const pbx = closing(await Sipp.start('uas-answer', { address: trunk, toneHz: TRUNK_HZ, transport }))
  const { daemon, alice, options } = await start(sides, pbx.sipPort)
  const call = await alice.call('9100', options)
  await call.waitForTone(TRUNK_HZ, 1_000)
  const family = browser === '::1' ? 6 : 4
  expect(call.remoteDescription).toContain(`c=IN IP${family} ${browser}`)
  expect(call.remoteDescription.match(/^a=candidate:.*$/gm)).toEqual([
    expect.stringContaining(` ${browser} ${daemon.webrtcPort} typ host`),
  ])
  await call.hangUp()
  const messages = await expectSuccess(pbx)
  const host = trunk === '::1' ? '[::1]' : trunk
  expect(messages).toContain(`Via: SIP/2.0/${transport.toUpperCase()} ${host}:`)
  expect(messages).toContain(`c=IN IP${trunk === '::1' ? 6 : 4} ${trunk}\r\n`)
  await daemon.waitForNoCalls()
})

test('a trunk at ::1 calls a browser at 127.0.0.1', async () => {
  const sides = { browser: '127.0.0.1', trunk: '::1', transport: 'udp' } as const
  const { daemon, alice, options } = await start(sides, await freePort('::1'))
  const target = daemon.sipAddress
  const pbx = closing(
    await Sipp.start('uac-call', { address: '::1', target, user: 'alice', toneHz: TRUNK_HZ, holdMs: 2_500 }),
  )
  const call = await alice.nextInvitation()
  await call.answer(options)
  await call.waitForTone(TRUNK_HZ, 1_000)
  await call.waitForEnd()
  await expectSuccess(pbx)
  await daemon.waitForNoCalls()
})

test('requests, replies and voice leave from the address that is configured, on a machine with several', async () => {
  const pbx = closing(await Sipp.start('uas-hang-up', { toneHz: TRUNK_HZ, holdMs: 2_000 }))
  // The kernel would send from 127.0.0.1.
  const trunk = { port: pbx.sipPort }
  const daemon = closing(await Daemon.start({ trunks: [trunk], config: { udp: { host: '127.0.0.7' } } }))
  const capture = closing(await Capture.start('udp'))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: BROWSER_HZ.udp })
  await call.waitForTone(TRUNK_HZ, 1_000)
  await call.waitForEnd()
  const messages = await expectSuccess(pbx)
  expect(messages).toContain(`Via: SIP/2.0/UDP ${daemon.sipAddress};`)
  expect(messages).toContain(`<sip:${daemon.sipAddress};transport=udp>`)
  expect(messages).toContain('c=IN IP4 127.0.0.7\r\n')
  await daemon.waitForNoCalls()
  const packets = await capture.stop()
  const sip = packets.filter(({ destinationPort }) => destinationPort === pbx.sipPort)
  const first = new Set(sip.map(({ payload }) => String(payload).split(' ', 1)[0]))
  expect([...first].sort()).toEqual(['ACK', 'INVITE', 'SIP/2.0'])
  const { min, max } = daemon.rtpPorts
  const voice = packets.filter(
    ({ sourcePort, payload }) => sourcePort >= min && sourcePort <= max && kindOfDatagram(payload) === 'rtp',
  )
  expect(voice.length).toBeGreaterThan(20)
  for (const sent of [sip, voice]) {
    expect(new Set(sent.map(({ source }) => source))).toEqual(new Set(['127.0.0.7']))
  }
})

/** What comes back to a socket that hears nobody but whom it asks. */
const answerOf = async (address: string, port: number): Promise<string> => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.connect(port, address)
  await once(socket, 'connect')
  const answer = once(socket, 'message')
  const via = `SIP/2.0/UDP 127.0.0.1:${socket.address().port};branch=z9hG4bKtest;rport`
  const fields = [
    'Max-Forwards: 70',
    'From: <sip:pbx@a>;tag=a',
    `To: <sip:${address}>`,
    `Call-ID: ${address}`,
  ]
  socket.send(
    [
      `OPTIONS sip:${address} SIP/2.0`,
      `Via: ${via}`,
      ...fields,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )
  const [bytes] = await answer
  socket.close()
  return String(bytes).split('\r\n')[0] ?? ''
}

test('a reply leaves from the address that was asked', async () => {
  const port = await freePort()
  const host = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
  const daemon = closing(
    await Daemon.start({ trunks: [{ port: await freePort() }], config: { udp: { host, port } } }),
  )
  for (const address of host) expect(await answerOf(address, port)).toBe('SIP/2.0 200 OK')
  await daemon.waitForNoCalls()
})
