import { expect, test } from 'vitest'
import {
  nextOfferState,
  OFFER_ANSWER,
  type OfferEvent,
  type OfferState,
  offerStateAfterAnswer,
} from '../../../../sip/invite/offer-answer.ts'
import { OfferExchange } from '../../../../sip/invite/offer-exchange.ts'

const STATES: readonly OfferState[] = ['stable', 'local-offer', 'remote-offer']
const EVENTS: readonly OfferEvent[] = [
  'send-offer',
  'receive-offer',
  'send-answer',
  'receive-answer',
  'offer-failed',
]

test('an offer is made only when none is open, and answered only by the other side', () => {
  const allowed = STATES.flatMap((state) =>
    EVENTS.flatMap((event) => {
      const next = nextOfferState(state, event)
      return next === undefined ? [] : [`${state} ${event} ${next}`]
    }),
  )
  expect(allowed).toEqual([
    'stable send-offer local-offer',
    'stable receive-offer remote-offer',
    'stable offer-failed stable',
    'local-offer receive-answer stable',
    'local-offer offer-failed stable',
    'remote-offer send-answer stable',
    'remote-offer offer-failed stable',
  ])
  expect(Object.keys(OFFER_ANSWER)).toEqual(STATES)
})

test('an INVITE without an offer leaves the offer of its 2xx open until ACK', () => {
  expect(offerStateAfterAnswer('uas', true)).toBe('stable')
  expect(offerStateAfterAnswer('uac', true)).toBe('stable')
  expect(offerStateAfterAnswer('uas', false)).toBe('local-offer')
  expect(offerStateAfterAnswer('uac', false)).toBe('remote-offer')
})

test('an event out of turn changes nothing, and is told', () => {
  let told = 0
  const exchange = new OfferExchange('local-offer', () => {
    told += 1
  })
  exchange.move('send-answer')
  expect([exchange.state, told]).toEqual(['local-offer', 1])
  exchange.move('receive-answer')
  expect([exchange.state, told]).toEqual(['stable', 1])
})
