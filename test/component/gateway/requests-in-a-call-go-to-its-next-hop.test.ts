import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { TrunkTable } from '../../../gateway/trunks/trunk.ts'
import { TrunkTransports } from '../../../gateway/trunks/trunk-transports.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { resolverOf, trunkConfig } from '../../harness/trunk-config.ts'

const PORT = 5_070
/** Both are servers of the trunk; the dialog begins at the first. */
const [FIRST, SECOND] = ['127.0.0.1', '127.0.0.2']

let gateway: ScriptedGateway
let close: () => unknown = () => {}
afterEach(() => close())

async function open(): Promise<void> {
  gateway = await ScriptedGateway.open(
    {
      trunks: [trunkConfig({ host: 'pbx.example.net', port: PORT, codecs: ['PCMA', 'PCMU'] })],
      routes: [{ prefix: '0', trunk: 'pbx', strip: 1, add: '' }],
    },
    {},
    { resolver: { addresses: async () => ({ records: [FIRST, SECOND], ttlS: undefined }) } },
  )
  close = () => gateway.close()
}

const methodsAt = (address: string, port = PORT): readonly string[] =>
  gateway.trunkAt(port, address).gatewayFlow.sent.flatMap((text) => /^[A-Z]+(?= sip:)/.exec(text) ?? [])

describe.each([
  ['its Contact is another server of the trunk', { Contact: `<sip:100@${SECOND}:${PORT}>` }, SECOND],
  [
    'its first Route is another server of the trunk',
    { Contact: '<sip:100@10.9.9.9>', 'Record-Route': `<sip:${SECOND}:${PORT};lr>` },
    SECOND,
  ],
  ['its Contact is nobody we know', { Contact: '<sip:100@203.0.113.9:5060>' }, FIRST],
  ['its Contact is where it came from, at another port', { Contact: `<sip:100@${FIRST}:9>` }, FIRST],
  ['its Contact is to be reached by TCP', { Contact: `<sip:100@${SECOND}:${PORT};transport=tcp>` }, FIRST],
])('a call of which %s', (_name, given, next) => {
  const headers = Object.entries(given).map(([name, value]) => ({ name, value }))
  const other = next === FIRST ? SECOND : FIRST

  it('to the trunk is acknowledged and hung up there', async () => {
    await open()
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunkAt(PORT, FIRST).peer)
    invite.accept({ body: answerTo(invite, PHONE), headers }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    call.dialog?.bye()
    await gateway.time.advance(100)
    expect(methodsAt(FIRST)).toEqual(next === FIRST ? ['INVITE', 'ACK', 'BYE'] : ['INVITE'])
    expect(methodsAt(SECOND)).toEqual(next === FIRST ? [] : ['ACK', 'BYE'])
  })

  it('from the trunk is hung up there', async () => {
    await open()
    const alice = await gateway.registered('alice')
    const { peer } = gateway.trunkAt(PORT, FIRST)
    const call = place(peer, '0301234', 'alice', {
      body: offerOf(PHONE),
      handler: new PeerDialog(PHONE).handler,
      headers,
    })
    const invite = await ringing(gateway, alice)
    const browser = new PeerDialog(BROWSER)
    browser.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, browser.handler)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    browser.dialog?.bye()
    await gateway.time.advance(100)
    expect(methodsAt(next)).toEqual(['BYE'])
    expect(methodsAt(other)).toEqual([])
  })
})

it('the other server is reached by the socket of the dialog, under its name, and nobody else is', async () => {
  // From anywhere in its network it may call, and write a Contact that only it can reach.
  const trunk = trunkConfig({ host: 'pbx.example.net', port: PORT, sources: ['127.0.0.0/8'] })
  const addresses = new Map([['pbx.example.net', [FIRST, SECOND]]])
  const trunks = new TrunkTable([trunk], {
    resolver: resolverOf(addresses),
    nowMs: () => 0,
    supported: ['udp'],
  })
  await trunks.refresh()
  const config = { ...loadConfig(undefined, {}), trunks: [trunk] }
  const log: Log = { error() {}, warn() {}, info() {}, debug() {}, child: () => log }
  let tokens = 0
  const openOne = (): Promise<TrunkTransports> =>
    TrunkTransports.open({
      config: { ...config, udp: { host: ['127.0.0.1'], port: 0, announced: [] } },
      trunks,
      token: () => String(tokens++),
      log,
      handler: { onMessage: () => {}, onClose: () => {} },
      onSocket: () => {},
    })
  const [transports, others] = [await openOne(), await openOne()]
  close = () => {
    transports.close()
    others.close()
  }
  const [path] = trunks.get('pbx')?.servers[0]?.paths ?? []
  const flow = path && transports.flowTo(path)
  const towards = (address: string, port = PORT, by = transports) =>
    flow && by.flowTowards(flow, { address, port })
  const { scope, local } = flow ?? {}
  expect(towards(SECOND)).toMatchObject({
    scope,
    local,
    peer: 'pbx',
    remote: { address: SECOND, port: PORT },
  })
  expect(towards(FIRST, 9)).toBeUndefined()
  expect(towards('127.0.0.3')).toBeUndefined()
  expect(towards(SECOND, PORT, others)).toBeUndefined()

  // From another port of its address it is answered at the one where it is known to listen, and at no other.
  const from = (port: number) => path && transports.flowTo({ ...path, remote: { address: FIRST, port } })
  const listener = (port: number, asked: number, by = transports) => {
    const source = from(port)
    return source && by.flowToListener(source, asked)
  }
  expect(listener(40_000, PORT)).toMatchObject({ scope, local, remote: { address: FIRST, port: PORT } })
  expect(listener(40_000, 9)).toBeUndefined()
  expect(listener(PORT, PORT)).toBeUndefined()
  expect(listener(40_000, PORT, others)).toBeUndefined()
})
