import { expect, test } from 'vitest'
import { agrees, browserCall, rings, site } from '../../harness/sip/browser-site.ts'
import { AGES_MS, expectNothingLeft, howMany } from '../../harness/sip/pair.ts'
import { sdp } from '../../harness/sip/phone.ts'

test.each([
  ['200', 15],
  ['ACK', 25],
])('a re-INVITE whose %s was lost with the connection has its ACK by the next one', (_what, lostMs) => {
  const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall({}, agrees)
  ofGateway.reinvite({ body: sdp('hold') }, gateway.note)
  clock.advance(lostMs)
  expect(browser.diary).toEqual(['reinvite INVITE'])
  lose(old)
  clock.advance(1_000)
  const next = connect()
  find(old, next)
  clock.advance(60_000)
  expect(gateway.diary).toEqual(['done 200'])
  expect(browser.diary.filter((line) => line.startsWith('end'))).toEqual([])
  expect(gateway.agent.counters()['stray-response']).toBeUndefined()
  ofGateway.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a re-INVITE that was given up twice has both its ACKs', () => {
  const { clock, gateway, browser, connect, lose, find, old, ofGateway } = browserCall({}, agrees)
  ofGateway.reinvite({ body: sdp('hold') }, gateway.note)
  clock.advance(15)
  lose(old)
  const next = connect()
  find(old, next)
  clock.advance(15)
  expect(browser.diary).toEqual(['reinvite INVITE', 'reinvite INVITE'])
  lose(next)
  find(next, connect())
  clock.advance(60_000)
  expect(browser.diary.filter((line) => line.startsWith('end'))).toEqual([])
  ofGateway.bye()
  clock.advance(AGES_MS)
  expectNothingLeft(gateway, browser)
})

test('a caller that was away when its call was refused hears it when it is back', () => {
  const { clock, gateway, browser, flow, connect, lose, find } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  gateway.invites[0]?.reject(486)
  clock.advance(2_000)
  const next = connect()
  find(old, next)
  clock.advance(100)
  expect(browser.diary).toEqual(['progress 180', 'reject 486'])
  expect(howMany(next.b.sent, 'SIP/2.0 ')).toBe(1)
  clock.advance(AGES_MS)
  expect(gateway.diary).toEqual(['invite'])
  expectNothingLeft(gateway, browser)
})

test('a refusal that nobody comes back for is forgotten, and the handler does not hear of it', () => {
  const { clock, gateway, browser, flow, connect, lose } = site({ onInvite: rings })
  const old = connect()
  browser.call(flow)
  clock.advance(100)
  lose(old)
  gateway.invites[0]?.reject(486)
  gateway.invites[0]?.progress(183)
  gateway.agent.forsake(old.b.flow, 'not-talking')
  expect(gateway.diary).toEqual(['invite'])
  expect(gateway.agent.tables()).toMatchObject({ serverTransactions: 0, dialogs: 0, flowsInUse: 0 })
  clock.advance(AGES_MS)
  expectNothingLeft(gateway)
})
