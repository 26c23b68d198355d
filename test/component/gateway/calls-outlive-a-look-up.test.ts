/**
 * A name of a trunk that stood for another address than a minute before cut off all its calls: what came from the old address was
 * a stranger's, so BYE was refused and the answers to ours were not heard.
 */
import { afterEach, describe, expect, it } from 'vitest'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PHONE,
  place,
  quiet,
  reasonText,
  reofferOf,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

const PORT = 5_070
const NAME = 'pbx.example.net'
/** There is none here. */
const NO_MEDIA = 'media.none-from-trunk'
const [OLD, NEW] = ['127.0.0.1', '127.0.0.2']

let gateway: ScriptedGateway
let alice: Peer
let names: Map<string, readonly string[]>

async function open(...trunks: readonly string[]): Promise<void> {
  gateway = await ScriptedGateway.open(
    {
      trunks: trunks.map((name) =>
        trunkConfig({ name, host: `${name}.example.net`, port: PORT, codecs: ['PCMA', 'PCMU'] }),
      ),
      routes: trunks.map((trunk, index) => ({ prefix: String(index), trunk, strip: 1, add: '' })),
    },
    {},
    { resolver: { addresses: async (host) => ({ records: names.get(host) ?? [], ttlS: 5 }) } },
  )
  alice = await gateway.registered('alice')
}
afterEach(() => gateway.close())

const at = (address: string): Peer => gateway.trunkAt(PORT, address).peer
const toTrunk = (address: string, number = '0100'): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: at(address), number, local: PHONE },
  )
const fromTrunk = (address: string): Promise<AnsweredCall> =>
  answered(
    gateway,
    { peer: at(address), user: '0301234', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
const statusOfAnswer = (answer: unknown): unknown =>
  typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : answer

async function move(name: string, ...addresses: readonly string[]): Promise<void> {
  names.set(name, addresses)
  await gateway.lookUpAgain()
}

describe.each([
  ['to', toTrunk, (call: AnsweredCall) => ({ browser: call.caller, trunk: call.callee })],
  ['from', fromTrunk, (call: AnsweredCall) => ({ browser: call.callee, trunk: call.caller })],
])('a call %s a trunk whose name stands for another address now', (_way, begin, roles) => {
  it('is changed by each side and hung up by the trunk', async () => {
    names = new Map([[NAME, [OLD]]])
    await open('pbx')
    const { browser, trunk } = roles(await begin(OLD))
    await move(NAME, NEW)
    expect(statusOfAnswer(await trunk.reoffer(gateway, reofferOf(PHONE, 'sendonly')))).toBe(200)
    expect(statusOfAnswer(await browser.reoffer(gateway, reofferOf(BROWSER, 'sendonly', 3)))).toBe(200)
    trunk.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
    gateway.expectsVerdicts(NO_MEDIA)
  })

  it('is hung up by the browser', async () => {
    names = new Map([[NAME, [OLD]]])
    await open('pbx')
    const { browser, trunk } = roles(await begin(OLD))
    await move(NAME, NEW)
    browser.dialog?.bye()
    await gateway.time.advance(100)
    expect(trunk.ended).toBe('bye')
    gateway.expectsVerdicts(NO_MEDIA)
    expect(gateway.userAgent.tables()).toMatchObject({ unansweredRequests: 0 })
  })
})

it('what rings goes on: the answer from the old address is heard', async () => {
  names = new Map([[NAME, [OLD]]])
  await open('pbx')
  const call = place(alice, 'alice', '0100')
  await gateway.time.advance(100)
  const [invite] = at(OLD).invites
  invite?.progress(180)
  await move(NAME, NEW)
  invite?.accept({ body: answerTo(invite, PHONE) }, quiet)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(200)
  call.dialog?.bye()
  await gateway.time.advance(100)
})

it('new calls go to the new address, and come from there alone', async () => {
  names = new Map([[NAME, [OLD]]])
  await open('pbx')
  at(OLD)
  await move(NAME, NEW)
  const refused = place(at(OLD), '0301234', 'alice', { body: offerOf(PHONE) })
  await gateway.time.advance(100)
  expect([statusOf(refused), reasonText(refused)]).toEqual([403, 'SIP;cause=403;text="call.forbidden"'])
  const incoming = await fromTrunk(NEW)
  incoming.caller.dialog?.bye()
  const outgoing = await toTrunk(NEW)
  outgoing.caller.dialog?.bye()
  await gateway.time.advance(100)
  expect(at(OLD).invites).toEqual([])
})

it('a call goes on when another trunk comes to its address, and when that leaves again', async () => {
  names = new Map([
    ['first.example.net', [NEW]],
    ['second.example.net', [OLD]],
  ])
  await open('first', 'second')
  const calls = [await toTrunk(OLD, '1100'), await fromTrunk(OLD)]
  await move('first.example.net', OLD, NEW)
  calls[0]?.callee.dialog?.bye()
  await gateway.time.advance(100)
  expect(calls[0]?.caller.ended).toBe('bye')
  await move('first.example.net', NEW)
  calls[1]?.caller.dialog?.bye()
  await gateway.time.advance(100)
  expect(calls[1]?.callee.ended).toBe('bye')
  gateway.expectsVerdicts(NO_MEDIA, NO_MEDIA)
})
