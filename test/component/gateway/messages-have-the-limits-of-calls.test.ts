import { afterEach, describe, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { MESSAGE_RATES } from '../../../gateway/calls/admission.ts'
import { PENDING_MOST } from '../../../gateway/relay/relay-limits.ts'
import type { SipResponse } from '../../../sip/message/message.ts'
import { answered, BROWSER, PHONE } from '../../harness/scripted-calls.ts'
import { type Peer, reasonOf, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import {
  asked,
  endOf,
  type SentRequest,
  send,
  statusOfSent,
  subscribe,
  subscribedTo,
} from '../../harness/scripted-relay.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

// MESSAGE to a trunk, where it may be an SMS that costs money, passed no limit that a call has.

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const demo = loadConfig(undefined, {})
const NUMBERS = { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' }
const ALL = [{ prefix: '', trunk: 'pbx', strip: 0, add: '' }]
const limits = (
  user: Partial<Config['limits']['user']>,
  trunk: Partial<Config['limits']['trunk']> = {},
): Pick<Config, 'limits'> => ({
  limits: { user: { ...demo.limits.user, ...user }, trunk: { ...demo.limits.trunk, ...trunk } },
})

const answersAll = (peer: Peer): void => {
  peer.answers = (incoming) => {
    incoming.respond(200)
    return true
  }
}
const message = (peer: Peer, from: string, to: string): SentRequest =>
  send(peer, 'MESSAGE', from, to, { body: 'x' })
const reasonCode = (response: SipResponse): string | undefined =>
  /text="([^"]*)"/.exec(reasonOf(response) ?? '')?.[1]
const seen = (sent: SentRequest) => [
  statusOfSent(sent),
  typeof sent.answer === 'object' ? reasonCode(sent.answer) : undefined,
]
const REFUSED = [403, 'limit.destination']
const TOO_MANY = [503, 'limit.rate']

describe('MESSAGE of a user to a number by a trunk', () => {
  it.each(['+88216', '0088216', '00-882 16'])(
    'that is denied is refused, as a call is: %s',
    async (number) => {
      gateway = await ScriptedGateway.open({ numbers: NUMBERS, routes: ALL })
      const sent = message(await gateway.registered('alice'), 'alice', number)
      await gateway.time.advance(50)
      expect([seen(sent), gateway.trunk.requests]).toEqual([REFUSED, []])
      expect(gateway.calls.counters()).toMatchObject({ refused: { 'limit.destination': 1 } })
    },
  )

  it('that is not among those allowed is refused; one that is goes out, and so does SUBSCRIBE to the mailbox', async () => {
    gateway = await ScriptedGateway.open({ numbers: NUMBERS, routes: ALL, ...limits({ allow: ['+49'] }) })
    const alice = await gateway.registered('alice')
    const sent = ['+33123', '+49123'].map((number) => message(alice, 'alice', number))
    const atTrunk = await asked(gateway, gateway.trunk)
    expect(atTrunk.request.uri.text).toBe('sip:+49123@127.0.0.1:5070')
    atTrunk.respond(200)
    const mailbox = subscribe(alice, 'alice', 'alice', 'message-summary')
    ;(await subscribedTo(gateway, gateway.trunk)).reject(404)
    await gateway.time.advance(50)
    expect([...sent.map(seen), endOf(mailbox)]).toEqual([REFUSED, [200, undefined], 404])
  })

  it('that the trunk may not call is refused; of a group it goes by the first trunk that may', async () => {
    gateway = await ScriptedGateway.open({
      trunks: [
        trunkConfig({ host: '127.0.0.1', port: 5070, limits: { allow: ['+49'] } }),
        trunkConfig({ name: 'world', host: '127.0.0.1', port: 5071, limits: { deny: ['+1'] } }),
      ],
      groups: [
        {
          name: 'out',
          trunks: [
            { trunk: 'pbx', priority: 1, weight: 1 },
            { trunk: 'world', priority: 2, weight: 1 },
          ],
        },
      ],
      routes: [{ prefix: '+', trunk: 'out', strip: 0, add: '' }],
    })
    const world = gateway.trunkAt(5071).peer
    for (const peer of [gateway.trunk, world]) peer.answers = () => false
    const alice = await gateway.registered('alice')
    const [home, abroad, nowhere] = ['+49123', '+33123', '+12125550100'].map((number) =>
      message(alice, 'alice', number),
    )
    await gateway.time.advance(50)
    for (const { requests } of [gateway.trunk, world]) for (const incoming of requests) incoming.respond(200)
    await gateway.time.advance(50)
    expect([home, abroad, nowhere].map((sent) => sent && seen(sent))).toEqual([
      [200, undefined],
      [200, undefined],
      REFUSED,
    ])
    expect(
      [gateway.trunk, world].map(({ requests }) => requests.map(({ request }) => request.uri.text)),
    ).toEqual([['sip:+49123@127.0.0.1:5070'], ['sip:+33123@127.0.0.1:5071']])
  })

  it('one past the calls of a minute is refused, and takes no call from him', async () => {
    gateway = await ScriptedGateway.open({ ...limits({ callsPerMinute: 2 }) })
    answersAll(gateway.trunk)
    const alice = await gateway.registered('alice')
    const sent = [1, 2, 3].map(() => message(alice, 'alice', '0100'))
    await gateway.time.advance(50)
    expect(sent.map(seen)).toEqual([[200, undefined], [200, undefined], TOO_MANY])
    await gateway.time.advance(30_000)
    const later = message(alice, 'alice', '0100')
    await gateway.time.advance(50)
    expect(seen(later)).toEqual([200, undefined])
  })

  it('one past the calls of a minute of the trunk is refused', async () => {
    gateway = await ScriptedGateway.open({ ...limits({}, { callsPerMinute: 1 }) })
    answersAll(gateway.trunk)
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    const sent = [message(alice, 'alice', '0100'), message(bob, 'bob', '0100')]
    await gateway.time.advance(50)
    expect(sent.map(seen)).toEqual([[200, undefined], TOO_MANY])
  })
})

describe('MESSAGE to a user', () => {
  it('one past the burst of one user is refused, while another writes; ten a second pass', async () => {
    gateway = await ScriptedGateway.open()
    const [alice, bob] = [await gateway.registered('alice'), await gateway.registered('bob')]
    for (const peer of [alice, bob]) answersAll(peer)
    const { burst, perSecond } = MESSAGE_RATES.user
    const sent: SentRequest[] = []
    // Answered one by one: what waits for an answer has another limit.
    for (let count = 0; count < burst + 1; count += 1) {
      sent.push(message(alice, 'alice', 'bob'))
      await gateway.time.advance(5)
    }
    // Since then three more came back, and two of them are left.
    const more = [1, 2, 3, 4].map(() => message(alice, 'alice', 'bob'))
    const ofBob = message(bob, 'bob', 'alice')
    await gateway.time.advance(50)
    expect(sent.map(statusOfSent)).toEqual(Array(burst + 1).fill(200))
    expect(seen(more[3] ?? ofBob)).toEqual(TOO_MANY)
    expect(statusOfSent(ofBob)).toBe(200)
    await gateway.time.advance(1_000)
    const next = Array.from({ length: perSecond }, () => message(alice, 'alice', 'bob'))
    await gateway.time.advance(50)
    expect(next.map(statusOfSent)).toEqual(Array(perSecond).fill(200))
  })
})

describe('MESSAGE of a trunk', () => {
  it('past those that may wait is refused, and so is its copy when there is room again', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    alice.answers = () => false
    const { each } = PENDING_MOST
    // The refusals are lost.
    gateway.trunkFlow.drops = () => true
    const sent = Array.from({ length: each + 2 }, () => message(gateway.trunk, 'pbx', 'alice'))
    await gateway.time.advance(50)
    gateway.trunkFlow.drops = () => false
    for (const incoming of alice.requests) incoming.respond(200)
    await gateway.time.advance(2_000)
    expect(alice.requests).toHaveLength(each)
    expect(sent.map(statusOfSent)).toEqual([...Array(each).fill(200), 503, 503])
  })

  it('past the rate is refused, and so is its copy when the rate allows more', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    answersAll(alice)
    const { burst } = MESSAGE_RATES.trunk
    const { each } = PENDING_MOST
    for (let count = 0; count < burst; count += each) {
      for (let one = 0; one < each; one += 1) message(gateway.trunk, 'pbx', 'alice')
      await gateway.time.advance(5)
    }
    gateway.trunkFlow.drops = () => true
    const sent = Array.from({ length: each }, () => message(gateway.trunk, 'pbx', 'alice'))
    await gateway.time.advance(50)
    gateway.trunkFlow.drops = () => false
    const heard = alice.requests.length
    await gateway.time.advance(2_000)
    expect(alice.requests).toHaveLength(heard)
    expect(sent.map(statusOfSent)).toContain(503)
  })
})

describe('MESSAGE inside a call', () => {
  it('has the rate of those outside', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const { caller } = await answered(
      gateway,
      { peer: alice, user: 'alice', local: BROWSER },
      { peer: gateway.trunk, number: '0100', local: PHONE },
    )
    const { burst } = MESSAGE_RATES.user
    const statuses: unknown[] = []
    const say = (): void => {
      const body = { contentType: 'text/plain', bytes: Buffer.from('x') }
      caller.dialog?.request('MESSAGE', { body }, (response) => {
        statuses.push(typeof response === 'object' ? [response.status, reasonCode(response)] : response)
      })
    }
    for (let sent = 0; sent < burst; sent += 1) {
      say()
      // As many as may wait for an answer at a time are fewer.
      if (sent % 10 === 9) await gateway.time.advance(5)
    }
    say()
    await gateway.time.advance(20)
    expect(statuses).toHaveLength(burst + 1)
    expect(statuses.slice(0, burst)).toEqual(Array(burst).fill([200, undefined]))
    expect(statuses.at(-1)).toEqual(TOO_MANY)
    await gateway.time.advance(1_000)
    say()
    await gateway.time.advance(20)
    expect(statuses.at(-1)).toEqual([200, undefined])
    caller.dialog?.bye()
    await gateway.time.advance(100)
  })
})
