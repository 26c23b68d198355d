// A peer that refused one change stayed on hold for good: the other side had its answer, and was never believed to need another.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AnsweredCall,
  answered,
  answerText,
  BROWSER,
  type PeerDialog,
  PHONE,
  reinviteWithoutOffer,
  reofferOf,
  sdp,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let call: AnsweredCall
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  call = await answered(
    gateway,
    { peer: await gateway.registered('alice'), user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
})
afterEach(async () => {
  call.caller.dialog?.bye()
  await gateway.time.advance(1_000)
  await gateway.close()
})

const directions = ({ offers }: PeerDialog): (string | undefined)[] =>
  offers.map((text) => /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(text)?.[1])

let version = 1
const hold = () => call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly', ++version))
const resume = () => call.caller.reoffer(gateway, reofferOf(BROWSER, 'sendrecv', ++version))

/** The trunk answers this to the next `times` offers. */
function refuse(status: number, retryAfter?: string, times = 1): void {
  let left = times
  call.callee.answers = (reinvite) => {
    left -= 1
    const headers = retryAfter === undefined ? [] : [{ name: 'Retry-After', value: retryAfter }]
    if (left >= 0) reinvite.reject(status, { headers })
    else reinvite.accept({ body: answerText(reinvite.request.body, PHONE, 'sendrecv') })
  }
}

describe('an offer that the peer cannot take now', () => {
  it.each([
    [500, '3', 3_000],
    [503, '10 (overload)', 10_000],
    [480, '2', 2_000],
    [500, '0', 1_000],
    [500, undefined, 4_000],
  ])('%i with Retry-After %s is made again after that', async (status, retryAfter, ms) => {
    await hold()
    refuse(status, retryAfter)
    await resume()
    expect(directions(call.callee)).toEqual(['sendonly', 'sendrecv'])
    if (retryAfter !== undefined) {
      await gateway.time.advance(ms - 300)
      expect(directions(call.callee)).toHaveLength(2)
    }
    await gateway.time.advance(500)
    if (retryAfter === undefined) await gateway.time.advance(ms)
    expect(directions(call.callee)).toEqual(['sendonly', 'sendrecv', 'sendrecv'])
    await gateway.time.advance(5_000)
    expect(directions(call.callee)).toHaveLength(3)
    // It is wanted again, and there is none here.
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('is made five times more, then it is a finding', async () => {
    refuse(500, '1', 20)
    await hold()
    await gateway.time.advance(120_000)
    expect(directions(call.callee)).toHaveLength(6)
    expect(gateway.logged('change refused by peer')).toHaveLength(1)
    gateway.expectsVerdicts('call.change-refused')
  })
})

describe('an offer that the peer refuses', () => {
  it.each([
    [480, undefined],
    [488, undefined],
    [500, '11'],
  ])(
    'with %i, Retry-After %s, is not made again by itself, and the next change is told',
    async (status, retryAfter) => {
      refuse(status, retryAfter)
      await hold()
      await gateway.time.advance(60_000)
      expect(directions(call.callee)).toEqual(['sendonly'])
      expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
      // It was put on hold once more, and the trunk was not asked.
      await hold()
      expect(directions(call.callee)).toEqual(['sendonly', 'sendonly'])
      gateway.expectsVerdicts('call.change-refused')
    },
  )

  it('and what it is told next is what it had before: then there is nothing to offer', async () => {
    refuse(488)
    await hold()
    await resume()
    expect(directions(call.callee)).toEqual(['sendonly'])
    gateway.expectsVerdicts('call.change-refused')
  })
})

describe('an answer without a description', () => {
  it('to an offer in a re-INVITE of ours leaves the call as it is', async () => {
    call.callee.answers = (reinvite) => reinvite.accept({})
    await hold()
    await gateway.time.advance(1_000)
    expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
    call.callee.answers = undefined
    await hold()
    expect(directions(call.callee)).toEqual(['sendonly', 'sendonly'])
    gateway.expectsVerdicts('call.no-answer-body')
  })

  it('in the ACK of a re-INVITE without an offer too', async () => {
    // Its first request of its own in the dialog.
    await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv'))
    await reinviteWithoutOffer(gateway, () => sdp(''))
    expect([call.caller.ended, call.callee.ended]).toEqual([undefined, undefined])
    await hold()
    expect(directions(call.callee).at(-1)).toBe('sendonly')
    gateway.expectsVerdicts('call.no-answer-body')
  })
})

describe('an offer of the peer that we refuse', () => {
  const text = Buffer.from(reofferOf(PHONE, 'sendrecv').bytes).toString()

  it('is a finding where its description cannot be used', async () => {
    await call.callee.reoffer(gateway, sdp(text.replace('RTP/AVP', 'RTP/SAVP')))
    call.callee.dialog?.bye()
    await gateway.time.advance(1_000)
    expect(gateway.calls.history.list()[0]?.verdict).toMatchObject({
      code: 'sdp.profile-mismatch',
      leg: 'callee',
    })
    gateway.expectsVerdicts('sdp.profile-mismatch')
  })

  it('is a line of the history where it is a fax', async () => {
    const fax = text
      .replace(/^m=audio (\d+).*$/m, 'm=image $1 udptl t38')
      .replace(/^a=(?:rtpmap|fmtp).*\r\n/gm, '')
    await call.callee.reoffer(gateway, sdp(fax))
    call.caller.dialog?.bye()
    await gateway.time.advance(1_000)
    const [report] = gateway.calls.history.list()
    expect(report?.timeline.find(({ what }) => what === 'change refused')).toMatchObject({ leg: 'callee' })
  })
})
