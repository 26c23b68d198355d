import { expect, test } from 'vitest'
import type { SipRequest } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import { mergeKey, serverKey } from '../../../../sip/transaction/transaction-key.ts'
import { type AskOptions, ask } from '../../../harness/sip/scripted-peer.ts'

const read = (method: string, options: AskOptions): SipRequest => {
  const message = parseMessage(Buffer.from(ask(method, options)))
  if (message.kind !== 'request') throw new Error('no request')
  return message
}
const keyOf = (options: AskOptions, scope = 's', method = 'OPTIONS'): string =>
  serverKey(read(method, options), scope, method)

test('branch, sent-by, method and scope count; nothing else does', () => {
  const via = 'SIP/2.0/UDP host:5060;branch=z9hG4bKa'
  const key = keyOf({ via })
  expect(keyOf({ via, callId: 'other', cseq: 9 })).toBe(key)
  expect(keyOf({ via: 'SIP/2.0/UDP host:5061;branch=z9hG4bKa' })).not.toBe(key)
  expect(keyOf({ via: 'SIP/2.0/UDP else:5060;branch=z9hG4bKa' })).not.toBe(key)
  expect(keyOf({ via: 'SIP/2.0/UDP host:5060;branch=z9hG4bKb' })).not.toBe(key)
  expect(keyOf({ via }, 'other scope')).not.toBe(key)
  expect(keyOf({ via }, 's', 'INFO')).not.toBe(key)
})

test('the cookie is read in any case; alone it is no branch', () => {
  const bare = 'SIP/2.0/UDP host;branch=z9hG4bK'
  expect(keyOf({ via: bare, callId: 'one' })).not.toBe(keyOf({ via: bare, callId: 'two' }))
  const upper = 'SIP/2.0/UDP host;branch=Z9HG4BKa'
  expect(keyOf({ via: upper, callId: 'one' })).toBe(keyOf({ via: upper, callId: 'two' }))
})

test('RFC 2543: ACK and CANCEL find the INVITE, a new number does not', () => {
  const via = 'SIP/2.0/UDP host'
  const invite = keyOf({ via }, 's', 'INVITE')
  const related = (method: string, options: AskOptions = {}): string =>
    serverKey(read(method, { via, ...options }), 's', 'INVITE')
  expect(related('ACK', { toTag: 'ours' })).toBe(invite)
  expect(related('CANCEL')).toBe(invite)
  expect(related('ACK', { cseq: 2 })).not.toBe(invite)
  expect(related('ACK', { fromTag: 'other' })).not.toBe(invite)
})

test('a request that came by two paths is one; a fork to another user is another', () => {
  const merged = (options: AskOptions, scope = 's'): string => mergeKey(read('INVITE', options), scope)
  const key = merged({ branch: 'z9hG4bKone' })
  expect(merged({ branch: 'z9hG4bKtwo' })).toBe(key)
  for (const other of [{ uri: 'sip:them@192.0.2.1' }, { callId: 'x' }, { cseq: 2 }, { fromTag: 'x' }]) {
    expect(merged(other)).not.toBe(key)
  }
  expect(merged({}, 'other scope')).not.toBe(key)
})
