import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { FORMER_LIMITS } from '../../../gateway/trunks/former-servers.ts'
import { TrunkTable } from '../../../gateway/trunks/trunk.ts'
import { STRANGER, TrunkTransports } from '../../../gateway/trunks/trunk-transports.ts'
import type { Flow } from '../../../sip/flow.ts'
import { resolverOf, trunkConfig } from '../../harness/trunk-config.ts'

const silent: Log = { error() {}, warn() {}, info() {}, debug() {}, child: () => silent }
const MESSAGE = 'MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n'

const closers: (() => unknown)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function open(addresses: Map<string, readonly string[]>) {
  let nowMs = 0
  const trunk = trunkConfig({ host: 'pbx.example.com' })
  const listener = { host: ['127.0.0.1'], port: 0 }
  const config = {
    ...loadConfig(undefined, {}),
    trunks: [trunk],
    udp: { announced: [], ...listener },
    tcp: listener,
  }
  const trunks = new TrunkTable([trunk], {
    resolver: resolverOf(addresses),
    nowMs: () => nowMs,
    supported: ['udp'],
  })
  await trunks.refresh()
  const flows: Flow[] = []
  let tokens = 0
  const transports = await TrunkTransports.open({
    config,
    trunks,
    token: () => String(tokens++),
    log: silent,
    handler: { onMessage: (_bytes, flow) => flows.push(flow), onClose: () => {} },
    onSocket: () => {},
  })
  closers.push(() => transports.close())
  const portOf = (transport: string): number =>
    Number(transports.listening()[transport]?.[0]?.split(':').at(-1))
  const received = async (send: () => void): Promise<Flow | undefined> => {
    const before = flows.length
    send()
    await vi.waitFor(() => expect(flows).toHaveLength(before + 1), { interval: 2 })
    return flows.at(-1)
  }
  return {
    received,
    portOf,
    pass: async (ms: number) => {
      nowMs += ms
      await trunks.refresh()
      transports.refresh()
    },
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  closers.push(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

it('connections and datagrams of an address that the name no longer stands for are the trunk’s, for a day', async () => {
  const addresses = new Map([['pbx.example.com', ['127.0.0.1']]])
  const { received, portOf, pass } = await open(addresses)
  const datagrams = createSocket('udp4')
  closers.push(() => datagrams.close())
  const byUdp = (): Promise<Flow | undefined> =>
    received(() => datagrams.send(MESSAGE, portOf('udp'), '127.0.0.1'))
  const socket = await connected(portOf('tcp'))
  const first = await received(() => socket.write(MESSAGE))
  const scopes = [first?.scope, (await byUdp())?.scope]
  expect(scopes).toEqual(['trunk:pbx', 'trunk:pbx'])

  addresses.set('pbx.example.com', ['127.0.0.2'])
  await pass(60_000)
  expect(await received(() => socket.write(MESSAGE))).toBe(first)
  const another = await connected(portOf('tcp'))
  expect((await received(() => another.write(MESSAGE)))?.scope).toBe('trunk:pbx')
  expect((await byUdp())?.scope).toBe('trunk:pbx')

  const ended = once(socket, 'close')
  await pass(FORMER_LIMITS.keepMs)
  await ended
  expect((await byUdp())?.scope).toBe(STRANGER)
})
