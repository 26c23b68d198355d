import { expect, test } from 'vitest'
import { AGES_MS, expectNothingLeft, howMany } from '../../harness/sip/pair.ts'
import { ask, lineOf, reply, scripted, statusOf } from '../../harness/sip/scripted-peer.ts'

test('of three answers the first wins; the others are acknowledged and ended inside', () => {
  const { clock, phone, flow, sent, say } = scripted()
  phone.call(flow)
  const [invite = ''] = sent
  for (const tag of ['one', 'two', 'three']) say(reply(invite, 180, { tag }))
  for (const tag of ['two', 'one', 'three']) say(reply(invite, 200, { tag }))
  expect(phone.diary).toEqual(['progress 180', 'progress 180', 'progress 180', 'accept 200'])
  expect(phone.dialogs[0]?.remoteTag).toBe('two')
  const byes = sent.filter((text) => text.startsWith('BYE'))
  expect(byes.map((text) => lineOf(text, 'To'))).toEqual([
    'To: <sip:bob@192.0.2.2>;tag=one',
    'To: <sip:bob@192.0.2.2>;tag=three',
  ])
  expect(howMany(sent, 'ACK')).toBe(3)
  for (const bye of byes) say(reply(bye, 200))
  phone.dialogs[0]?.bye()
  say(reply(sent.at(-1) ?? '', 200))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a repeated 200 of a loser is acknowledged again, with the same ACK and no second BYE', () => {
  const { phone, flow, sent, say } = scripted()
  phone.call(flow)
  const [invite = ''] = sent
  say(reply(invite, 200, { tag: 'one' }))
  say(reply(invite, 200, { tag: 'two' }))
  const before = sent.length
  say(reply(invite, 200, { tag: 'two' }))
  expect(sent.slice(before)).toEqual([sent[before - 2]])
})

test('P10: a thousand early dialogs are one past the limit 996 times', () => {
  const { clock, phone, flow, sent, say } = scripted({ limits: { maxForks: 4 } })
  phone.call(flow)
  const [invite = ''] = sent
  for (let i = 0; i < 1_000; i += 1) say(reply(invite, 180, { tag: `t${i}` }))
  expect(howMany(phone.diary, 'progress')).toBe(4)
  expect(phone.agent.counters()).toMatchObject({ 'too-many-forks': 996 })
  say(reply(invite, 180, { tag: 't3' }))
  expect(howMany(phone.diary, 'progress')).toBe(5)
  say(reply(invite, 486, { tag: 't3' }))
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('P10: a thousand 200s make one dialog and at most maxForks BYEs', () => {
  const { clock, phone, flow, sent, say } = scripted({ limits: { maxForks: 4 } })
  phone.call(flow)
  const [invite = ''] = sent
  for (let i = 0; i < 1_000; i += 1) say(reply(invite, 200, { tag: `t${i}` }))
  expect(howMany(sent, 'BYE')).toBe(4)
  expect(phone.agent.tables()).toMatchObject({ dialogs: 1, clientTransactions: 5 })
  phone.dialogs[0]?.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})

test('a proxy that asks two of our users, at once or one after the other, reaches both; one that it asks by two paths rings once', () => {
  const { clock, phone, sent, say, last } = scripted()
  const invite = (user: string, branch: string): string =>
    ask('INVITE', { uri: `sip:${user}@192.0.2.1`, branch: `z9hG4bK${branch}` })
  say(invite('alice', 'one'))
  say(invite('bob', 'two'))
  phone.invites[0]?.reject(480)
  say(invite('carol', 'three'))
  expect(phone.diary).toEqual(['invite', 'invite', 'invite'])
  expect(howMany(sent, 'SIP/2.0 482')).toBe(0)
  say(invite('bob', 'four'))
  expect(statusOf(last())).toBe(482)
  expect(phone.diary).toHaveLength(3)
  for (const asked of phone.invites) asked.reject(480)
  clock.advance(AGES_MS)
  expectNothingLeft(phone)
})
