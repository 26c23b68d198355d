import { afterEach, describe, expect, it } from 'vitest'
import { MAX_PENDING_IN_DIALOG } from '../../../gateway/relay/relay-in-dialog.ts'
import { header, rawValues } from '../../../sip/message/headers.ts'
import type { Header, SipResponse } from '../../../sip/message/message.ts'
import type { IncomingRequest, InviteDialog, NoAnswer } from '../../../sip/user-agent.ts'
import { answered, BROWSER, PeerDialog, PHONE, place } from '../../harness/scripted-calls.ts'
import { reasonOf, ScriptedGateway, statusIn } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

interface Talk {
  readonly browser: InviteDialog
  readonly trunk: InviteDialog
  /** Requests that the trunk, or the browser, was asked inside the call. */
  readonly atTrunk: IncomingRequest[]
  readonly atBrowser: IncomingRequest[]
}

/** An answered call between alice and the trunk, in which every request waits for the test. */
async function talk(): Promise<Talk> {
  gateway = await ScriptedGateway.open()
  const alice = await gateway.registered('alice')
  const call = await answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
  const [atTrunk, atBrowser]: [IncomingRequest[], IncomingRequest[]] = [[], []]
  call.callee.handler.onRequest = (request) => atTrunk.push(request)
  call.caller.handler.onRequest = (request) => atBrowser.push(request)
  const [browser, trunk] = [call.caller.dialog, call.callee.dialog]
  if (browser === undefined || trunk === undefined) throw new Error('no dialog')
  return { browser, trunk, atTrunk, atBrowser }
}

interface Ask {
  readonly headers?: readonly Header[]
  readonly body?: string
  readonly contentType?: string
}

function ask(
  dialog: InviteDialog,
  method: string,
  { headers = [], body, contentType = 'text/plain' }: Ask = {},
) {
  const made: { answer: SipResponse | NoAnswer | undefined } = { answer: undefined }
  const content = body === undefined ? {} : { body: { contentType, bytes: Buffer.from(body) } }
  dialog.request(method, { headers, ...content }, (response) => {
    made.answer = response
  })
  return made
}

const statusOf = ({ answer }: ReturnType<typeof ask>): number | string | undefined => statusIn(answer)

describe('a request inside a call', () => {
  it('INFO and MESSAGE pass both ways, with body, type and what names the package', async () => {
    const { browser, trunk, atTrunk, atBrowser } = await talk()
    const digit = ask(browser, 'INFO', {
      contentType: 'application/x-knock',
      body: 'knock',
      headers: [
        { name: 'Info-Package', value: 'knock' },
        { name: 'Content-Disposition', value: 'Info-Package' },
        { name: 'X-Step', value: '1' },
        { name: 'P-Asserted-Identity', value: '<sip:ceo@example.com>' },
        { name: 'Contact', value: '<sip:alice@198.51.100.7>' },
      ],
    })
    const text = ask(trunk, 'MESSAGE', { body: 'hello' })
    await gateway.time.advance(50)
    const [info, message] = [atTrunk[0]?.request, atBrowser[0]?.request]
    if (info === undefined || message === undefined) throw new Error('nothing passed')
    expect([info.method, info.body.toString()]).toEqual(['INFO', 'knock'])
    expect(
      ['Content-Type', 'Info-Package', 'Content-Disposition', 'X-Step', 'Max-Forwards'].map((name) =>
        header(info, name),
      ),
    ).toEqual(['application/x-knock', 'knock', 'Info-Package', '1', '69'])
    expect([...rawValues(info, 'P-Asserted-Identity'), ...rawValues(info, 'Contact')]).toEqual([])
    expect([message.method, message.body.toString()]).toEqual(['MESSAGE', 'hello'])
    atTrunk[0]?.respond(200, { body: { contentType: 'text/plain', bytes: Buffer.from('heard') } })
    atBrowser[0]?.respond(202)
    await gateway.time.advance(50)
    expect([statusOf(digit), statusOf(text)]).toEqual([200, 202])
    expect(typeof digit.answer === 'object' && digit.answer.body.toString()).toBe('heard')
    browser.bye()
  })

  it.each([
    [415, 415],
    [469, 469],
    [488, 488],
    [405, 405],
    [503, 503],
    // A challenge is not the asker's to answer.
    [401, 503],
    // These would end the asker's own dialog (RFC 5057 §5.1).
    [481, 500],
    [404, 500],
    [302, 500],
  ])('answered %i by the other leg is answered %i, and the call goes on', async (status, expected) => {
    const { browser, atTrunk } = await talk()
    const info = ask(browser, 'INFO', { body: 'x' })
    await gateway.time.advance(50)
    atTrunk[0]?.respond(status)
    await gateway.time.advance(50)
    expect(statusOf(info)).toBe(expected)
    expect(typeof info.answer === 'object' && reasonOf(info.answer)).toMatch(/^SIP;cause=/)
    expect([browser.state, gateway.calls.size]).toEqual(['confirmed', 1])
    browser.bye()
  })

  it('OPTIONS and candidates of the browser stay with the gateway; NOTIFY and unknown methods are refused', async () => {
    const { browser, trunk, atTrunk, atBrowser } = await talk()
    const candidates = {
      headers: [{ name: 'Info-Package', value: 'trickle-ice' }],
      contentType: 'application/trickle-ice-sdpfrag',
      body: 'a=candidate:1 1 UDP 1 192.0.2.9 9 typ host',
    }
    const asked = [
      ask(browser, 'OPTIONS'),
      ask(browser, 'INFO', candidates),
      ask(trunk, 'NOTIFY', { headers: [{ name: 'Event', value: 'presence' }] }),
      ask(trunk, 'PUBLISH'),
      ask(browser, 'INFO', { headers: [{ name: 'Max-Forwards', value: '0' }] }),
      ask(browser, 'MESSAGE', { body: 'x'.repeat(9_000) }),
    ]
    await gateway.time.advance(50)
    expect(asked.map(statusOf)).toEqual([200, 200, 481, 405, 483, 513])
    expect([...atTrunk, ...atBrowser]).toEqual([])
    browser.bye()
  })

  it('one past what may wait for the other leg is refused', async () => {
    const { browser, atTrunk } = await talk()
    const many = Array.from({ length: MAX_PENDING_IN_DIALOG + 1 }, () => ask(browser, 'INFO', { body: 'x' }))
    await gateway.time.advance(50)
    expect(many.map(statusOf).filter((status) => status !== undefined)).toEqual([503])
    for (const request of atTrunk) request.respond(200)
    await gateway.time.advance(50)
    expect(many.map(statusOf).filter((status) => status === 200)).toHaveLength(MAX_PENDING_IN_DIALOG)
    const next = ask(browser, 'INFO', { body: 'x' })
    await gateway.time.advance(50)
    atTrunk.at(-1)?.respond(200)
    await gateway.time.advance(50)
    expect(statusOf(next)).toBe(200)
    browser.bye()
  })

  it('to an application is taken as heard when it is INFO', async () => {
    gateway = await ScriptedGateway.open()
    const dialog = new PeerDialog(BROWSER)
    const call = place(await gateway.registered('alice'), 'alice', 'echo', { handler: dialog.handler })
    await gateway.time.advance(200)
    if (call.dialog === undefined) throw new Error('the call was not answered')
    const [info, message] = [
      ask(call.dialog, 'INFO', { body: 'x' }),
      ask(call.dialog, 'MESSAGE', { body: 'x' }),
    ]
    await gateway.time.advance(50)
    expect([statusOf(info), statusOf(message)]).toEqual([200, 405])
    call.dialog.bye()
  })
})
