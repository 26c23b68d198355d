import { expect, test } from 'vitest'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import { inCall, pair } from '../../harness/sip/pair.ts'
import { type Phone, sdp } from '../../harness/sip/phone.ts'
import { ask, lineOf, scripted, statusOf, tagOf } from '../../harness/sip/scripted-peer.ts'

test('a confirmed dialog is found by Call-ID and tags, in its scope or in any', () => {
  const { bob, ofBob } = inCall()
  const { callId, localTag, remoteTag } = ofBob
  expect(bob.agent.findDialog(callId, localTag, remoteTag)).toBe(ofBob)
  expect(bob.agent.findDialog(callId, localTag, remoteTag, 'trunk:b')).toBe(ofBob)
  expect(bob.agent.findDialog(callId, localTag, remoteTag, 'trunk:a')).toBeUndefined()
  expect(bob.agent.findDialog(callId, remoteTag, localTag)).toBeUndefined()
  expect(bob.agent.findDialog(callId, localTag, '')).toBeUndefined()
  expect(bob.agent.findDialog(callId.slice(1), localTag, remoteTag)).toBeUndefined()
  expect(bob.agent.findDialog('', localTag, remoteTag)).toBeUndefined()
})

test('a dialog that has ended, or is not confirmed yet, is not found', () => {
  const { clock, bob, ofBob } = inCall()
  ofBob.bye()
  expect(bob.agent.findDialog(ofBob.callId, ofBob.localTag, ofBob.remoteTag)).toBeUndefined()
  clock.advance(1_000)
  const { phone, say, last } = scripted({ onInvite: (invite) => invite.progress(180) })
  say(ask('INVITE'))
  expect(phone.agent.findDialog('call', tagOf(last()), 'peer')).toBeUndefined()
})

test('a dialog is found where it has moved to', () => {
  const onInvite = (invite: IncomingInvite, self: Phone): void => {
    invite.party = 'user:alice'
    self.answer(invite)
  }
  const { phone, say, last, flow } = scripted({ onInvite })
  say(ask('INVITE'))
  const localTag = tagOf(last())
  const other = { ...flow, scope: 'trunk:other' }
  phone.agent.rehome(flow, other, 'user:alice', undefined)
  expect(phone.agent.findDialog('call', localTag, 'peer', 'trunk:other')).toBe(phone.dialogs[0])
  expect(phone.agent.findDialog('call', localTag, 'peer', flow.scope)).toBeUndefined()
})

test('Max-Forwards is what the caller says, else 70, and an INVITE that brings 0 is refused 483', () => {
  const { alice, from, sentByAlice } = pair()
  const to = parseNameAddr('<sip:bob@192.0.2.2>')
  const call = (more: { readonly maxForwards?: number }) =>
    alice.agent.invite(
      {
        flow: from,
        uri: to.uri,
        from: to,
        to,
        body: sdp('x'),
        dialogHandler: alice.dialogHandler(),
        ...more,
      },
      { onProgress: () => {}, onAccept: () => {}, onReject: () => {} },
    )
  call({})
  call({ maxForwards: 7 })
  call({ maxForwards: 0 })
  expect(sentByAlice.map((text) => lineOf(text, 'Max-Forwards'))).toEqual([
    'Max-Forwards: 70',
    'Max-Forwards: 7',
    'Max-Forwards: 0',
  ])
  const { say, last } = scripted()
  say((sentByAlice[2] ?? '').replace(/To: .*/, 'To: <sip:us@192.0.2.1>'))
  expect(statusOf(last())).toBe(483)
})
