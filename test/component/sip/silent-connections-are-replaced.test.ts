/**
 * A connection whose other end is gone without a word (a router that has forgotten it) was used until the kernel gave it up, for a
 * quarter of an hour: every call by it failed.
 */
import { afterEach, expect, test } from 'vitest'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { parseUri } from '../../../sip/message/uri.ts'
import { NamedFlow } from '../../../sip/named-flow.ts'
import { Phone } from '../../harness/sip/phone.ts'
import { closeAll, open, peerAt, trunk, until } from '../../harness/sip/stream-site.ts'
import { VirtualClock } from '../../harness/sip/virtual-clock.ts'

afterEach(closeAll)

const TIMER_F_MS = 32_000

async function site() {
  const pbx = await trunk()
  const { transport } = await open()
  const clock = new VirtualClock()
  const phone = new Phone(clock)
  const flow = new NamedFlow(transport.flowTo(peerAt(pbx.port)), 'pbx')
  const outcomes: unknown[] = []
  const ask = async (): Promise<void> => {
    const count = pbx.sockets.length
    const uri = parseUri('sip:127.0.0.1')
    const us = parseNameAddr('<sip:us@127.0.0.1>')
    phone.agent.request({ method: 'OPTIONS', flow, uri, from: us, to: us }, (outcome) =>
      outcomes.push(outcome),
    )
    await until(
      () => pbx.sockets.length > count || pbx.sockets.at(-1)?.heard.text.includes('OPTIONS') === true,
    )
  }
  return { pbx, transport, clock, phone, flow, outcomes, ask }
}

test('a request that times out ends a connection by which nothing came, and the next one goes by another', async () => {
  const { pbx, transport, clock, outcomes, ask } = await site()
  await ask()
  pbx.sockets[0]?.socket.pause()
  clock.advance(TIMER_F_MS)
  expect(outcomes).toEqual(['timeout'])
  await ask()
  await until(() => pbx.sockets.length === 2)
  expect(transport.counters()).toMatchObject({ cutSilent: 1, connected: 2 })
})

test('a call that times out does too', async () => {
  const { pbx, transport, clock, phone, flow } = await site()
  phone.call(flow)
  await until(() => pbx.sockets[0]?.heard.text.includes('INVITE') === true)
  clock.advance(TIMER_F_MS)
  expect(phone.diary).toEqual(['reject timeout'])
  expect(transport.counters().cutSilent).toBe(1)
})

test('one by which anything has come is kept, though the request has no answer', async () => {
  const { pbx, transport, clock, outcomes, ask } = await site()
  await ask()
  pbx.sockets[0]?.socket.write('\r\n\r\n')
  await until(() => transport.counters().keepAlive === 1)
  clock.advance(TIMER_F_MS)
  expect(outcomes).toEqual(['timeout'])
  const before = pbx.sockets[0]?.heard.text.length ?? 0
  await ask()
  await until(() => (pbx.sockets[0]?.heard.text.length ?? 0) > before)
  expect(pbx.sockets).toHaveLength(1)
  expect(transport.counters().cutSilent).toBe(0)
})
