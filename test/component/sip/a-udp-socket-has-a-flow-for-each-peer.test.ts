import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { afterEach, expect, test, vi } from 'vitest'
import type { Flow } from '../../../sip/flow.ts'
import { UdpTransport, type UdpTransportOptions } from '../../../sip/transport/udp.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function open(limits: UdpTransportOptions['limits'] = {}, address = '127.0.0.1') {
  const received: { text: string; flow: Flow }[] = []
  const unsent: string[] = []
  let ids = 0
  const transport = await UdpTransport.open({
    address: { address, port: 0 },
    handler: { onMessage: (bytes, flow) => received.push({ text: bytes.toString(), flow }) },
    scopeOf: (remote) => `trunk:${remote.port}`,
    token: () => `id${ids++}`,
    onUnsent: (remote, reason) => unsent.push(`${remote.port} ${reason}`),
    limits,
  })
  closers.push(() => transport.close())
  return { transport, received, unsent, idsMade: () => ids }
}

async function peer(address = '127.0.0.1') {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const heard: string[] = []
  socket.on('message', (bytes, from) => heard.push(`${bytes} from ${from.port}`))
  socket.bind(0, address)
  await once(socket, 'listening')
  closers.push(() => socket.close())
  return { socket, heard, port: socket.address().port }
}

const until = (condition: () => boolean): Promise<void> =>
  vi.waitFor(
    () => {
      expect(condition()).toBe(true)
    },
    { timeout: 10_000, interval: 5 },
  )

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
)

test.each(hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])(
  'a datagram makes a flow, and the answer leaves from the socket asked (%s)',
  async (address) => {
    const { transport, received } = await open({}, address)
    const { socket, heard, port } = await peer(address)
    socket.send('hello', transport.local.port, address)
    await until(() => received.length === 1)
    const flow = received[0]?.flow
    expect(flow).toMatchObject({ transport: 'udp', scope: `trunk:${port}`, isOpen: true })
    expect(flow?.remote).toEqual({ address, port })
    expect(transport.flowTo(address, port)).toBe(flow)
    flow?.send(Buffer.from('answer'))
    await until(() => heard.length === 1)
    expect(heard).toEqual([`answer from ${transport.local.port}`])
    expect(transport.counters()).toMatchObject({ received: 1, sent: 1 })
  },
)

test('line ends and zeros are keep-alives, and a datagram past the limit is dropped', async () => {
  const { transport, received } = await open({ maxDatagramBytes: 100 })
  const { socket } = await peer()
  for (const text of ['\r\n\r\n', '\r\n', '\0\0\0\0', '', 'x'.repeat(101), 'x'.repeat(100)]) {
    socket.send(text, transport.local.port, '127.0.0.1')
  }
  await until(() => received.length === 1)
  expect(received[0]?.text).toHaveLength(100)
  expect(transport.counters()).toMatchObject({ keepAlive: 4, tooLarge: 1, received: 6 })
})

test('one peer past the limit forgets the one that was silent longest, whose flow still works', async () => {
  const { transport, idsMade } = await open({ maxFlows: 2 })
  const { heard, port } = await peer()
  const first = transport.flowTo('127.0.0.1', port)
  const second = transport.flowTo('127.0.0.1', 2)
  transport.flowTo('127.0.0.1', port)
  transport.flowTo('127.0.0.1', 3)
  expect(transport.flowCount).toBe(2)
  expect(transport.flowTo('127.0.0.1', port)).toBe(first)
  expect(transport.flowTo('127.0.0.1', 2)).not.toBe(second)
  expect(idsMade()).toBe(0)
  expect(first.id).toBe(first.id)
  transport.refresh()
  expect(transport.flowCount).toBe(0)
  first.send(Buffer.from('still'))
  await until(() => heard.length === 1)
})

test('what cannot be sent is counted, told with its reason, and never thrown', async () => {
  const { transport, unsent } = await open()
  const flow = transport.flowTo('127.0.0.1', 9)
  flow.send(Buffer.alloc(70_000))
  transport.flowTo('127.0.0.1', 0).send(Buffer.from('x'))
  await until(() => transport.counters().sendFailed === 2)
  expect(unsent.sort()).toEqual(['0 ERR_SOCKET_BAD_PORT', '9 EMSGSIZE'])
  transport.close()
  transport.close()
  expect(flow.isOpen).toBe(false)
  flow.send(Buffer.from('late'))
  flow.close('nothing')
})

test('an address in use is reported, a name is our own mistake', async () => {
  const { transport } = await open()
  const options = {
    handler: { onMessage: () => {} },
    scopeOf: () => '',
    token: () => '',
  }
  await expect(UdpTransport.open({ ...options, address: transport.local })).rejects.toThrow('EADDRINUSE')
  await expect(UdpTransport.open({ ...options, address: { address: 'localhost', port: 0 } })).rejects.toThrow(
    'bound to an IP address',
  )
  expect(() => transport.flowTo('localhost', 5060)).toThrow('leads to an IP address')
})
