import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InviteDialog } from '../../../sip/user-agent.ts'
import {
  answerTo,
  BROWSER,
  inOneBreath,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { aliceCallsTrunk, refer } from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
let alice: Peer
let bob: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  alice = await gateway.registered('alice')
  bob = await gateway.registered('bob')
})
afterEach(() => gateway.close())

describe('INVITE with Replaces', () => {
  const withReplaces = (dialog: InviteDialog | undefined, more = '') => [
    {
      name: 'Replaces',
      value: `${dialog?.callId};to-tag=${dialog?.remoteTag};from-tag=${dialog?.localTag}${more}`,
    },
  ]

  it('from the same trunk takes the place of its side: the browser talks to the new one', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    const taker = place(gateway.trunk, '200', 'alice', {
      body: offerOf(PHONE),
      headers: withReplaces(call.callee.dialog),
    })
    await gateway.time.advance(300)
    expect(statusOf(taker)).toBe(200)
    expect(call.callee.ended).toBe('bye')
    expect(call.caller.ended).toBeUndefined()
    expect(gateway.calls.size).toBe(1)
    // By the new one's name too, as whoever asks knows it.
    expect(gateway.calls.history.findExactly(taker.invite.callId)?.callId).toBe(call.caller.dialog?.callId)
    taker.dialog?.bye()
    await gateway.time.advance(100)
    expect(call.caller.ended).toBe('bye')
  })

  it.each([
    ['of another party', '', 481, 'transfer.no-such-call'],
    ['of an answered call when it says early-only', ';early-only', 486, 'transfer.already-answered'],
  ] as const)('%s is refused', async (_name, more, status, code) => {
    const call = await aliceCallsTrunk(gateway, alice)
    const peer = more === '' ? bob : gateway.trunk
    const taker = place(peer, more === '' ? 'bob' : '200', 'alice', {
      body: offerOf(more === '' ? BROWSER : PHONE),
      handler: quiet,
      headers: withReplaces(call.callee.dialog, more),
    })
    await gateway.time.advance(300)
    expect(statusOf(taker)).toBe(status)
    expect(reasonText(taker)).toContain(code)
    gateway.expectsVerdicts(code)
    expect(call.caller.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })

  const takeOverOf = (dialog: InviteDialog | undefined) =>
    place(gateway.trunk, '200', 'alice', {
      body: offerOf(PHONE),
      handler: quiet,
      headers: withReplaces(dialog),
    })

  it('is refused when BYE ends the call in the same breath', async () => {
    // The step of the take-over found the call ended and left the INVITE without an answer for ever.
    const call = await aliceCallsTrunk(gateway, alice)
    let taker: ReturnType<typeof place> | undefined
    const send = () => {
      taker = takeOverOf(call.callee.dialog)
      call.callee.dialog?.bye()
    }
    inOneBreath(gateway, send)
    await gateway.time.advance(300)
    expect(taker === undefined ? undefined : statusOf(taker)).toBe(481)
  })

  it('is over when CANCEL comes in the same breath, and the call goes on', async () => {
    // The take-over answered an INVITE that had been answered 487: an internal error.
    const call = await aliceCallsTrunk(gateway, alice)
    const cancelOf = (invite: string) =>
      `${invite.slice(0, invite.indexOf('\r\n\r\n'))}\r\n\r\n`
        .replace(/^INVITE/, 'CANCEL')
        .replace(/^(CSeq: \d+) INVITE/m, '$1 CANCEL')
        .replace(/^(?:Content-Type|Content-Length|Replaces|Contact): .*\r\n/gm, '')
    let taker: ReturnType<typeof place> | undefined
    const send = () => {
      taker = takeOverOf(call.callee.dialog)
    }
    inOneBreath(gateway, send, (texts) => [...texts, ...texts.map(cancelOf)])
    await gateway.time.advance(300)
    expect(taker === undefined ? undefined : statusOf(taker)).toBe(487)
    expect(gateway.logged('take-over refused')).toEqual([])
    expect(call.callee.ended).toBeUndefined()
    call.caller.dialog?.bye()
  })

  it('of a side that is being transferred away is refused: it has a successor already', async () => {
    const call = await aliceCallsTrunk(gateway, alice)
    await refer(gateway, call.callee, '<sip:bob@example.com>')
    const invite = await ringing(gateway, bob)
    const taker = takeOverOf(call.callee.dialog)
    await gateway.time.advance(300)
    expect(statusOf(taker)).toBe(491)
    expect(reasonText(taker)).toContain('transfer.not-now')
    const target = new PeerDialog(BROWSER)
    target.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, target.handler)
    await gateway.time.advance(300)
    expect(call.callee.ended).toBe('bye')
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    expect(target.ended).toBe('bye')
  })
})
