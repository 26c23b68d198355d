// A transferor whose page died while the target rang took the others with it, also those who waited for 112.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MediaFailure } from '../../../media/failure.ts'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  reofferOf,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let alice: Peer
beforeEach(async () => {
  gateway = await ScriptedGateway.open({
    emergency: {
      numbers: ['112'],
      prefix: '',
      trunks: ['pbx'],
      callerId: undefined,
      maxCalls: 2,
      drainTimeoutS: 60,
    },
  })
  alice = await gateway.registered('alice')
  await gateway.registered('bob')
})
afterEach(() => gateway.close())

/** The trunk calls Alice, who transfers it to 112; the centre has it in its queue. */
async function transferring(): Promise<AnsweredCall & { readonly target: PeerDialog; answer(): void }> {
  const call = await answered(
    gateway,
    { peer: gateway.trunk, user: '0301234', local: PHONE },
    { peer: alice, number: 'alice', local: BROWSER },
  )
  const headers = [{ name: 'Refer-To', value: '<sip:112@example.com>' }]
  call.callee.dialog?.request('REFER', { headers }, () => {})
  const invite = await ringing(gateway, gateway.trunk)
  invite.progress(180)
  await gateway.time.advance(100)
  const target = new PeerDialog(PHONE)
  const answer = (): void => {
    target.dialog = invite.accept({ body: answerTo(invite, PHONE) }, target.handler)
  }
  return { ...call, target, answer }
}

describe('a transfer under way goes on', () => {
  const ends: readonly (readonly [string, (call: AnsweredCall) => Promise<unknown>])[] = [
    [
      'though nothing comes of the page of its transferor any more',
      async () => {
        await gateway.disconnect(alice)
        gateway.observers[0]?.onFailure('callee', new MediaFailure('ice.consent-lost'))
      },
    ],
    [
      'though its transferor is heard no more',
      async () => gateway.observers[0]?.onFailure('callee', new MediaFailure('media.silent')),
    ],
    [
      'though its transferor knows nothing of the call any more',
      async ({ caller, callee }) => {
        callee.answers = (reinvite) => reinvite.reject(481)
        await caller.reoffer(gateway, reofferOf(PHONE, 'sendonly'))
      },
    ],
  ]
  it.each(ends)('%s', async (_, end) => {
    const call = await transferring()
    await end(call)
    await gateway.time.advance(200)
    expect([call.caller.ended, gateway.calls.size]).toEqual([undefined, 1])
    expect(gateway.logged('transfer goes on without its transferor')).toHaveLength(1)
    call.answer()
    await gateway.time.advance(200)
    expect([call.caller.ended, call.target.ended]).toEqual([undefined, undefined])
    call.target.dialog?.bye()
    await gateway.time.advance(gateway.config.calls.lostConnectionS * 1_000)
    expect(call.caller.ended).toBe('bye')
  })

  it('and its transferor that can still be told gets BYE', async () => {
    const call = await transferring()
    gateway.observers[0]?.onFailure('callee', new MediaFailure('ice.consent-lost'))
    await gateway.time.advance(200)
    expect([call.callee.ended, call.caller.ended]).toEqual(['bye', undefined])
    call.answer()
    await gateway.time.advance(200)
    call.target.dialog?.bye()
  })

  it('not when it has failed before: the call ends for all', async () => {
    const call = await transferring()
    gateway.trunk.invites.at(-1)?.reject(486)
    await gateway.time.advance(200)
    gateway.observers[0]?.onFailure('callee', new MediaFailure('ice.consent-lost'))
    await gateway.time.advance(200)
    expect([call.callee.ended, call.caller.ended]).toEqual(['bye', 'bye'])
    gateway.expectsVerdicts('ice.consent-lost')
  })
})
