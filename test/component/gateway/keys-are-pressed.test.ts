import { afterEach, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import { header } from '../../../sip/message/headers.ts'
import type { SipResponse } from '../../../sip/message/message.ts'
import type { IncomingRequest, InviteDialog, NoAnswer } from '../../../sip/user-agent.ts'
import { UdpPeer, until } from '../../harness/relay-bench.ts'
import { parseBareRtp } from '../../harness/rtp-packet.ts'
import { answered, BROWSER, PHONE } from '../../harness/scripted-calls.ts'
import { reasonOf, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** An answered call from alice to a trunk whose media arrives at a socket; requests in the call wait for the test. */
async function talk(trunk: Partial<TrunkConfig> = {}) {
  gateway = await ScriptedGateway.open({}, trunk)
  const media = await UdpPeer.open()
  const phone: LocalTransport = { ...PHONE, rtp: media.address } as LocalTransport
  const alice = await gateway.registered('alice')
  const call = await answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: phone },
  )
  const [atTrunk, atBrowser]: [IncomingRequest[], IncomingRequest[]] = [[], []]
  call.callee.handler.onRequest = (request) => atTrunk.push(request)
  call.caller.handler.onRequest = (request) => atBrowser.push(request)
  const [browser, pbx] = [call.caller.dialog, call.callee.dialog]
  if (browser === undefined || pbx === undefined) throw new Error('no dialog')
  /** Keys in the trunk's media, each once. */
  const keys = (): number[] => {
    const seen = new Map<number, number>()
    for (const { bytes } of media.received) {
      if ((bytes.readUInt8(1) & 0x7f) < 96) continue
      const { timestamp, payload } = parseBareRtp(bytes)
      seen.set(timestamp, payload.readUInt8(0))
    }
    return [...seen.values()]
  }
  return { browser, pbx, atTrunk, atBrowser, keys }
}

/** The final answer to an INFO. */
async function inform(
  dialog: InviteDialog,
  contentType: string,
  body: string,
): Promise<SipResponse | NoAnswer | undefined> {
  let answer: SipResponse | NoAnswer | undefined
  dialog.request('INFO', { body: { contentType, bytes: Buffer.from(body) } }, (response) => {
    answer = response
  })
  await gateway.time.advance(50)
  return answer
}

async function press(dialog: InviteDialog, contentType: string, body: string): Promise<unknown> {
  const answer = await inform(dialog, contentType, body)
  return statusIn(answer)
}

it('row 27: INFO of browsers, in every spelling, is RFC 4733 at the trunk', async () => {
  const { browser, atTrunk, keys } = await talk()
  const spellings = [
    // JsSIP, SIP.js, PBXes.
    ['application/dtmf-relay', 'Signal=1\r\nDuration=100', 1],
    ['application/dtmf-relay', 'Signal=*\r\nDuration=2000\r\n', 10],
    ['Application/DTMF-Relay;charset=utf-8', 'signal = d\nduration = 80\n', 15],
    ['application/dtmf-relay', 'Signal=11', 11],
    ['application/dtmf-relay', 'Signal=R\r\nDuration=100', 16],
    ['application/dtmf', '7', 7],
    ['application/dtmf', '10\r\n', 10],
  ] as const
  for (const [type, body] of spellings) expect(await press(browser, type, body)).toBe(200)
  await until(() => keys().length === spellings.length, 'all keys in the media')
  expect(keys()).toEqual(spellings.map(([, , key]) => key))
  expect(atTrunk).toEqual([])
  browser.bye()
  gateway.expectsVerdicts('climbed callee S6 sent')
})

it('row 27: a trunk that takes keys by INFO is asked in its own way, one after the other', async () => {
  const { browser, atTrunk, keys } = await talk({ dtmf: 'info-relay' })
  for (const key of ['1', '2', '3']) expect(await press(browser, 'application/dtmf', key)).toBe(200)
  await gateway.time.advance(100)
  expect(atTrunk).toHaveLength(1)
  for (const key of ['1', '2', '3']) {
    const request = atTrunk.at(-1)
    expect(request && header(request.request, 'Content-Type')).toBe('application/dtmf-relay')
    expect(request?.request.body.toString()).toBe(`Signal=${key}\r\nDuration=250\r\n`)
    request?.respond(200)
    await gateway.time.advance(50)
  }
  expect(atTrunk).toHaveLength(3)
  expect(keys()).toEqual([])
  browser.bye()
})

it('application/dtmf has the key alone, and nothing for what is none', async () => {
  const { browser, atTrunk } = await talk({ dtmf: 'info-dtmf' })
  await press(browser, 'application/dtmf-relay', 'Signal=#\r\nDuration=100\r\n')
  expect(atTrunk.map(({ request }) => request.body.toString())).toEqual(['#'])
  expect(atTrunk.map(({ request }) => header(request, 'Content-Type'))).toEqual(['application/dtmf'])
  atTrunk[0]?.respond(200)
  browser.bye()
})

it('INFO of a trunk reaches the browser as it is: its program reads no media', async () => {
  const { browser, pbx, atBrowser } = await talk()
  await press(pbx, 'application/dtmf-relay', 'Signal=9\r\nDuration=160\r\n')
  expect(atBrowser.map(({ request }) => request.body.toString())).toEqual(['Signal=9\r\nDuration=160\r\n'])
  atBrowser[0]?.respond(200)
  browser.bye()
})

it('INFO without a key is 400, and keys beyond what fingers press are 503', async () => {
  const { browser } = await talk()
  for (const [type, body] of [
    ['application/dtmf', ''],
    ['application/dtmf', '17'],
    ['application/dtmf-relay', 'Duration=160'],
    ['application/dtmf-relay', `Signal=${'1'.repeat(300)}`],
  ] as const) {
    const refusal = await inform(browser, type, body)
    if (typeof refusal !== 'object') throw new Error('no answer')
    expect(refusal.status).toBe(400)
    expect(reasonOf(refusal)).toContain('dtmf.bad-info')
  }
  const answers: (SipResponse | NoAnswer)[] = []
  for (let count = 0; count < 40; count++) {
    const body = { contentType: 'application/dtmf', bytes: Buffer.from('1') }
    browser.request('INFO', { body }, (response) => answers.push(response))
  }
  await gateway.time.advance(50)
  const statuses = answers.map((answer) => statusIn(answer))
  const refusals = answers.filter((answer) => typeof answer === 'object' && answer.status === 503)
  expect(refusals).toHaveLength(8)
  for (const refusal of refusals) {
    expect(typeof refusal === 'object' && reasonOf(refusal)).toContain('dtmf.too-many')
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(32)
  // Once each.
  const [report] = gateway.calls.history.list()
  expect(report?.findings.map(({ code, leg }) => [code, leg])).toEqual([
    ['dtmf.bad-info', 'caller'],
    ['dtmf.too-many', 'caller'],
  ])
  browser.bye()
  gateway.expectsVerdicts(['dtmf.bad-info', 'dtmf.too-many'])
})

it('a trunk that does not take keys by INFO is found out once', async () => {
  const { browser, atTrunk } = await talk({ dtmf: 'info-relay' })
  for (const key of ['1', '2']) {
    await press(browser, 'application/dtmf', key)
    for (const request of atTrunk.splice(0)) request.respond(415)
    await gateway.time.advance(100)
  }
  const [report] = gateway.calls.history.list()
  expect(report?.findings).toMatchObject([
    { code: 'dtmf.refused', stage: 'S1', leg: 'callee', seen: '415 Unsupported Media Type' },
  ])
  expect(gateway.logged('call impaired')).toHaveLength(1)
  browser.bye()
  await gateway.time.advance(50)
  gateway.expectsVerdicts('dtmf.refused')
})

it('a key under way when the call ends is not lost', async () => {
  const { browser, pbx } = await talk({ dtmf: 'info-relay' })
  await press(browser, 'application/dtmf', '1')
  pbx.bye()
  await gateway.time.advance(40_000)
  expect(gateway.calls.history.list()[0]?.findings).toEqual([])
})
