import { afterEach, describe, expect, it } from 'vitest'
import {
  answerText,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** More than the 64 * T1 for which an answer is repeated. */
const LONG_MS = 60_000
const isAnswer = (text: string): boolean => /^SIP\/2\.0 200 [\s\S]*^CSeq: \d+ INVITE\r$/m.test(text)
const isQuestion = (text: string): boolean => /^(?:OPTIONS|UPDATE) /.test(text)

interface Unheard {
  readonly alice: Peer
  readonly browser: PeerDialog
  readonly call: PlacedCall
  readonly phone: PeerDialog
}

/** A call of alice, whose connection is lost before the trunk has said anything; it answers then. */
async function unheard(): Promise<Unheard> {
  gateway = await ScriptedGateway.open()
  const alice = await gateway.registered('alice')
  const browser = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: browser.handler })
  const invite = await ringing(gateway, gateway.trunk)
  await gateway.disconnect(alice)
  const phone = new PeerDialog(PHONE)
  phone.dialog = invite.accept({ body: answerTo(invite, PHONE) }, phone.handler)
  return { alice, browser, call, phone }
}

/** Alice has heard the answer. Her ACK was lost with her connection, and she is back when nobody waits for it any more. */
async function unacknowledged(): Promise<Unheard & { readonly ack: string }> {
  gateway = await ScriptedGateway.open()
  const alice = await gateway.registered('alice')
  const browser = new PeerDialog(BROWSER)
  const call = place(alice, 'alice', '0100', { handler: browser.handler })
  const invite = await ringing(gateway, gateway.trunk)
  let ack = ''
  alice.flow.drops = (text) => {
    if (!text.startsWith('ACK ')) return false
    ack = text
    return true
  }
  const phone = new PeerDialog(PHONE)
  phone.dialog = invite.accept({ body: answerTo(invite, PHONE) }, phone.handler)
  await gateway.time.advance(300)
  browser.dialog = call.dialog
  await gateway.disconnect(alice)
  await gateway.time.advance(LONG_MS)
  const made = gateway.reconnect(alice)
  // SIP.js and JsSIP have ended the transaction, and discard a 2xx that comes so late.
  gateway.gatewayEnd(made).drops = isAnswer
  expect(await gateway.register(made, 'alice', gateway.passwordOf('alice'), 'alice')).toBe(200)
  await gateway.time.advance(1_000)
  return { alice: made, browser, call, phone, ack }
}

describe('a browser that has never heard the answer, back when that is not repeated any more,', () => {
  it('is told of it before it is asked anything, and the call goes on', async () => {
    const { alice, call, phone } = await unheard()
    await gateway.time.advance(LONG_MS)
    const made = await gateway.back(alice, 'alice')
    await gateway.time.advance(2_000)
    expect([statusOf(call), phone.ended, gateway.calls.size]).toEqual([200, undefined, 1])
    const told = gateway.gatewayEnd(made).sent.filter((text) => isAnswer(text) || isQuestion(text))
    expect(told.map(isAnswer), 'the answer, once, and a question').toEqual([true, false])
    call.dialog?.bye()
    await gateway.time.advance(100)
    expect(phone.ended).toBe('bye')
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('goes on though it answers a question ahead of the answer 481, as SIP.js does', async () => {
    const { alice, call, phone } = await unheard()
    await gateway.time.advance(LONG_MS)
    const made = gateway.reconnect(alice)
    const end = gateway.gatewayEnd(made)
    end.drops = (text) => {
      if (!isQuestion(text) || end.sent.some(isAnswer)) return false
      const kept = text.split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
      const answer = ['SIP/2.0 481 Call Does Not Exist', ...kept, 'Content-Length: 0', '', '']
      queueMicrotask(() => gateway.userAgent.receive(Buffer.from(answer.join('\r\n')), end))
      return true
    }
    expect(await gateway.register(made, 'alice', gateway.passwordOf('alice'), 'alice')).toBe(200)
    await gateway.time.advance(2_000)
    expect([statusOf(call), phone.ended, gateway.calls.size]).toEqual([200, undefined, 1])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('stays in its call when it has sent ACK and leaves the question without an answer', async () => {
    const { alice, call, phone } = await unheard()
    await gateway.time.advance(LONG_MS)
    const made = gateway.reconnect(alice)
    made.flow.drops = (text) => /^SIP\/2\.0 [\s\S]*^CSeq: \d+ (?:UPDATE|OPTIONS)\r$/m.test(text)
    expect(await gateway.register(made, 'alice', gateway.passwordOf('alice'), 'alice')).toBe(200)
    await gateway.time.advance(LONG_MS)
    expect([statusOf(call), phone.ended, gateway.calls.size]).toEqual([200, undefined, 1])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('is offered nothing before it has sent ACK: SIP.js would drop that, and refuse all that follows', async () => {
    const { alice, browser, call, phone } = await unheard()
    await gateway.time.advance(LONG_MS)
    await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    await gateway.time.advance(1_000)
    const made = gateway.reconnect(alice)
    const { sent } = gateway.gatewayEnd(made)
    const offersBeforeAck: number[] = []
    made.flow.drops = (text) => {
      const isAck = text.startsWith('ACK ')
      if (isAck) offersBeforeAck.push(sent.filter((one) => one.startsWith('INVITE ')).length)
      return isAck && offersBeforeAck.length === 1
    }
    expect(await gateway.register(made, 'alice', gateway.passwordOf('alice'), 'alice')).toBe(200)
    // Its first ACK is lost, and the answer is repeated.
    await gateway.time.advance(1_000)
    expect(offersBeforeAck).toEqual([0, 0])
    browser.dialog = call.dialog
    await gateway.time.advance(100)
    expect(browser.offers.map((text) => text.includes('a=sendonly'))).toEqual([true])
    expect([statusOf(call), phone.ended]).toEqual([200, undefined])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it.each([
    ['while the answer was still repeated', 25_000],
    ['later', LONG_MS],
  ])('hears it, and BYE, though the trunk hung up meanwhile: %s', async (_when, afterMs) => {
    const { alice, browser, call, phone } = await unheard()
    await gateway.time.advance(afterMs)
    phone.dialog?.bye()
    await gateway.time.advance(LONG_MS)
    await gateway.back(alice, 'alice')
    await gateway.time.advance(1_000)
    expect([statusOf(call), browser.ended, gateway.calls.size]).toEqual([200, 'bye', 0])
    gateway.expectsVerdicts('media.none-from-trunk')
  })
})

describe('a browser whose ACK was lost, back when nobody waits for it, and which sends none again,', () => {
  it('is told within two seconds that it is held, and at once that the trunk has hung up', async () => {
    const { browser, phone } = await unacknowledged()
    await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    await gateway.time.advance(2_000)
    expect(browser.offers).toHaveLength(1)
    phone.dialog?.bye()
    await gateway.time.advance(1_000)
    expect([browser.ended, gateway.calls.size]).toEqual(['bye', 0])
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('may send it after all while an offer of ours is open, and answers that', async () => {
    const { alice, ack, browser, phone } = await unacknowledged()
    let answer = (): unknown => undefined
    browser.answers = (reinvite) => {
      const body = answerText(reinvite.request.body, BROWSER, 'recvonly')
      answer = () => reinvite.accept({ body })
    }
    await phone.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
    await gateway.time.advance(2_000)
    gateway.userAgent.receive(Buffer.from(ack), gateway.gatewayEnd(alice))
    await gateway.time.advance(100)
    expect(answer()).toBe(true)
    await gateway.time.advance(100)
    expect(gateway.userAgent.counters()['offer-out-of-turn'] ?? 0).toBe(0)
    phone.dialog?.bye()
    await gateway.time.advance(100)
    expect(browser.ended).toBe('bye')
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('stays in its call', async () => {
    const { browser, phone } = await unacknowledged()
    await gateway.time.advance(2 * LONG_MS)
    expect([browser.ended, phone.ended, gateway.calls.size]).toEqual([undefined, undefined, 1])
    phone.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('media.none-from-trunk')
  })
})
