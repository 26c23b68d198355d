import { afterEach, describe, expect, it } from 'vitest'
import { SUBSCRIBE_RATES } from '../../../gateway/calls/admission.ts'
import { SUBSCRIPTIONS_MOST } from '../../../gateway/relay/relay-limits.ts'
import { GRACE_MS, MAX_PENDING_NOTIFY } from '../../../gateway/relay/relay-subscription.ts'
import { header } from '../../../sip/message/headers.ts'
import type {
  IncomingRefresh,
  IncomingSubscribe,
  Notifier,
  SubscriptionEnd,
} from '../../../sip/user-agent.ts'
import { type Peer, reasonOf, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import {
  asked,
  endOf,
  type ScriptedSubscription,
  send,
  statusOfSent,
  subscribe,
  subscribedTo,
} from '../../harness/scripted-relay.ts'

let gateway: ScriptedGateway
afterEach(async () => {
  await gateway.time.advance(4_000_000)
  await gateway.close()
})

/** A mailbox at the trunk: MWI of users is routed like a number. */
const MAILBOX = { routes: [{ prefix: '', trunk: 'pbx', strip: 0, add: '' }] }
const SUMMARY = 'Messages-Waiting: yes\r\nMessage-Account: sip:alice@pbx\r\nVoice-Message: 2/0\r\n'
const summary = { contentType: 'application/simple-message-summary', bytes: Buffer.from(SUMMARY) }

interface Served {
  readonly notifier: Notifier
  readonly refreshes: IncomingRefresh[]
  readonly ends: string[]
}

/** Grants a subscription and answers each refresh with what it asks for. */
function serve(incoming: IncomingSubscribe, expiresS: number, isAutomatic = true): Served {
  const refreshes: IncomingRefresh[] = []
  const ends: string[] = []
  const notifier = incoming.accept(
    { expiresS },
    {
      onRefresh: (refresh) => {
        refreshes.push(refresh)
        if (!isAutomatic) return
        const asks = Number(header(refresh.request, 'Expires'))
        refresh.accept({ expiresS: asks })
        notifier?.notify({ state: asks === 0 ? 'terminated;reason=timeout' : `active;expires=${asks}` })
      },
      onEnd: (reason) => ends.push(reason),
    },
  )
  if (notifier === undefined) throw new Error('too late')
  return { notifier, refreshes, ends }
}

async function mailbox(): Promise<{ alice: Peer; made: ScriptedSubscription; served: Served }> {
  gateway = await ScriptedGateway.open(MAILBOX)
  const alice = await gateway.registered('alice')
  const made = subscribe(alice, 'alice', 'alice', 'message-summary')
  const served = serve(await subscribedTo(gateway, gateway.trunk), 300)
  served.notifier.notify({ state: 'active;expires=300', body: summary })
  await gateway.time.advance(50)
  return { alice, made, served }
}

const states = ({ notifies }: ScriptedSubscription): readonly (string | undefined)[] =>
  notifies.map(({ request }) => header(request, 'Subscription-State'))

describe('messages waiting', () => {
  it('of a user are asked of the trunk that the user name is routed to, and shown, refreshed and ended', async () => {
    const { made, served } = await mailbox()
    const request = gateway.trunk.subscribes[0]?.request
    expect(request?.uri.text).toBe('sip:alice@127.0.0.1:5070')
    expect(request?.from.uri.text).toMatch(/^sip:alice@127/)
    expect(gateway.trunkFlow.sent.join()).not.toMatch(/\.invalid|198\.51\.100\.7/)
    expect(made.accepted?.expiresS).toBe(300)
    expect(states(made)).toEqual(['active;expires=300'])
    const [notify] = made.notifies
    expect(notify?.request.body.toString()).toBe(SUMMARY)
    expect(header(notify?.request ?? { headers: [] }, 'Content-Type')).toBe(
      'application/simple-message-summary',
    )
    expect(header(notify?.request ?? { headers: [] }, 'Event')).toBe('message-summary')

    await gateway.time.advance(200_000)
    let refreshed: unknown
    made.subscription.refresh({ expiresS: 900 }, (response) => {
      refreshed = response
    })
    await gateway.time.advance(50)
    expect(refreshed).toMatchObject({ status: 200 })
    expect(states(made)).toEqual(['active;expires=300', 'active;expires=900'])

    made.subscription.unsubscribe()
    await gateway.time.advance(50)
    expect(served.refreshes.map((refresh) => header(refresh.request, 'Expires'))).toEqual(['900', '0'])
    expect(states(made).at(-1)).toBe('terminated;reason=timeout')
    expect(made.ended).toBe('terminated')
    expect(gateway.relay.tables()).toEqual({
      relayedRequests: 0,
      waitingRequests: 0,
      relayedSubscriptions: 0,
      subscriptionShares: 0,
      relayedSubscribers: 0,
      subscriberFlows: 0,
    })
  })

  it('are shown on every device when the trunk tells without being asked', async () => {
    gateway = await ScriptedGateway.open()
    const desk = await gateway.registered('alice', 'desk')
    const mobile = await gateway.registered('alice', 'mobile')
    const told = send(gateway.trunk, 'NOTIFY', 'asterisk', 'alice', {
      body: SUMMARY,
      contentType: summary.contentType,
      headers: [
        { name: 'Event', value: 'message-summary' },
        { name: 'Subscription-State', value: 'active' },
      ],
    })
    for (const device of [desk, mobile]) {
      const { request, respond } = await asked(gateway, device)
      expect(request.body.toString()).toBe(SUMMARY)
      expect([header(request, 'Event'), header(request, 'Subscription-State')]).toEqual([
        'message-summary',
        'active',
      ])
      respond(200)
    }
    await gateway.time.advance(50)
    expect(statusOfSent(told)).toBe(200)
  })

  it.each([
    ['by a browser', 'browser', 'message-summary', 481],
    ['of another event', 'trunk', 'presence', 481],
    ['without an event', 'trunk', undefined, 489],
    ['by a stranger', 'stranger', 'message-summary', 403],
  ])('told without being asked %s are refused', async (_name, from, event, status) => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const peer = from === 'browser' ? alice : from === 'trunk' ? gateway.trunk : gateway.stranger()
    const told = send(peer, 'NOTIFY', 'alice', 'alice', {
      headers: event === undefined ? [] : [{ name: 'Event', value: event }],
    })
    await gateway.time.advance(50)
    expect(statusOfSent(told)).toBe(status)
    expect(alice.requests).toEqual([])
  })
})

describe('a subscription', () => {
  it('to a user goes to his browser, from a browser and from a trunk', async () => {
    gateway = await ScriptedGateway.open()
    const bob = await gateway.registered('bob')
    const watchers = [[await gateway.registered('alice'), 'alice'] as const, [gateway.trunk, '100'] as const]
    for (const [watcher, name] of watchers) {
      const made = subscribe(watcher, name, 'bob', 'presence', {
        headers: [{ name: 'Accept', value: 'application/pidf+xml' }],
      })
      const incoming = await subscribedTo(gateway, bob)
      expect(incoming.request.from.uri.text).toBe(`sip:${name}@example.com`)
      expect(header(incoming.request, 'Accept')).toBe('application/pidf+xml')
      const { notifier } = serve(incoming, 600)
      notifier.notify({ state: 'pending;expires=600' })
      notifier.notify({ state: 'terminated;reason=rejected' })
      await gateway.time.advance(50)
      expect(states(made)).toEqual(['pending;expires=600', 'terminated;reason=rejected'])
      expect(made.ended).toBe('terminated')
    }
  })

  it('to a number goes by the routes, with its id and its parameters', async () => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'dialog;id=7')
    const incoming = await subscribedTo(gateway, gateway.trunk)
    expect(incoming.request.uri.text).toBe('sip:100@127.0.0.1:5070')
    expect(header(incoming.request, 'Event')).toBe('dialog;id=7')
    serve(incoming, 60).notifier.notify({ state: 'active;expires=60' })
    await gateway.time.advance(50)
    expect(header(made.notifies[0]?.request ?? { headers: [] }, 'Event')).toBe('dialog;id=7')
    made.subscription.unsubscribe()
    await gateway.time.advance(50)
    expect(made.ended).toBe('terminated')
  })

  it('that is not refreshed ends at both sides', async () => {
    const { made, served } = await mailbox()
    await gateway.time.advance(400_000)
    expect(made.ended).toBeDefined()
    expect(served.ends).toEqual(['expired'])
    expect(gateway.relay.tables().relayedSubscriptions).toBe(0)
  })

  it('for one NOTIFY (Expires: 0) is answered with one', async () => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'presence', { expiresS: 0 })
    serve(await subscribedTo(gateway, gateway.trunk), 0).notifier.notify({
      state: 'terminated;reason=timeout',
    })
    await gateway.time.advance(50)
    expect([made.accepted?.expiresS, made.ended]).toEqual([0, 'terminated'])
  })

  it('is granted with the first NOTIFY when that overtakes the 2xx', async () => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'presence')
    gateway.trunk.flow.drops = (text) => text.startsWith('SIP/2.0 200')
    const { notifier } = serve(await subscribedTo(gateway, gateway.trunk), 300)
    notifier.notify({ state: 'active;expires=300' })
    await gateway.time.advance(20)
    expect([made.accepted?.expiresS, states(made)]).toEqual([300, ['active;expires=300']])
    gateway.trunk.flow.drops = () => false
    await gateway.time.advance(5_000)
    made.subscription.unsubscribe()
    await gateway.time.advance(50)
    expect(made.ended).toBe('terminated')
  })

  it.each([
    [403, 403],
    [302, 480],
    [401, 503],
    [423, 423],
    [489, 489],
  ])('that the trunk answers %i ends with %i', async (status, expected) => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'presence')
    ;(await subscribedTo(gateway, gateway.trunk)).reject(status, {
      headers: [
        { name: 'Min-Expires', value: '3000' },
        { name: 'Contact', value: '<sip:private@10.0.0.1>' },
      ],
    })
    await gateway.time.advance(50)
    const ended: SubscriptionEnd | undefined = made.ended
    if (typeof ended !== 'object') throw new Error('no answer')
    expect(ended.status).toBe(expected)
    expect(header(ended, 'Min-Expires')).toBe('3000')
    expect(reasonOf(ended)).toMatch(/relay\.refused|trunk\.credentials-wanted/)
    expect(ended.headers.map(({ value }) => value).join()).not.toContain('10.0.0.1')
  })

  it.each([
    ['an event that is not relayed', 'bob', 'reg', 489],
    ['a user who is away', 'bob', 'presence', 480],
    ['a number without a route', '77', 'presence', 404],
    ['the own mailbox without a route', 'alice', 'message-summary', 404],
  ])('to %s is refused', async (_name, to, event, status) => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', to, event)
    await gateway.time.advance(50)
    expect(endOf(made)).toBe(status)
    const { ended } = made
    expect(typeof ended === 'object' && header(ended, 'Allow-Events')).toContain('presence')
  })

  it('of a stranger is refused, of a browser that has not signed in challenged', async () => {
    gateway = await ScriptedGateway.open(MAILBOX)
    await gateway.registered('alice')
    const stranger = subscribe(gateway.stranger(), 'alice', 'alice', 'presence')
    const unknown = subscribe(gateway.browser(), 'alice', 'alice', 'presence')
    await gateway.time.advance(50)
    expect([endOf(stranger), endOf(unknown)]).toEqual([403, 401])
  })

  it('to a silent trunk is refused before the subscriber gives up by itself', async () => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'presence')
    await gateway.time.advance(25_000)
    expect(endOf(made)).toBe(503)
  })

  it('whose grant comes after that is ended at the trunk', async () => {
    gateway = await ScriptedGateway.open()
    const made = subscribe(await gateway.registered('alice'), 'alice', '0100', 'presence')
    const incoming = await subscribedTo(gateway, gateway.trunk)
    await gateway.time.advance(25_000)
    expect(endOf(made)).toBe(503)
    const served = serve(incoming, 600)
    await gateway.time.advance(100)
    expect(served.refreshes.map((refresh) => header(refresh.request, 'Expires'))).toEqual(['0'])
  })

  it('is ended with a word of ours when the notifier goes without one', async () => {
    const { made, served } = await mailbox()
    served.notifier.close()
    let refreshed: unknown
    made.subscription.refresh({ expiresS: 300 }, (response) => {
      refreshed = response
    })
    await gateway.time.advance(100)
    expect(refreshed).toMatchObject({ status: 481 })
    expect(made.ended).toMatchObject({ status: 481 })
  })

  it('is ended at the trunk when the browser refuses its NOTIFY', async () => {
    const { made, served } = await mailbox()
    made.status = 481
    let answered: unknown
    served.notifier.notify({ state: 'active' }, (response) => {
      answered = response
    })
    await gateway.time.advance(100)
    expect(answered).toMatchObject({ status: 481 })
    expect(served.ends).toEqual(['lost'])
  })

  it('passes so many NOTIFY requests at once and asks the sender of one more to wait', async () => {
    const { made, served } = await mailbox()
    made.status = undefined
    const answers: number[] = []
    for (let count = 0; count <= MAX_PENDING_NOTIFY; count += 1) {
      served.notifier.notify({ state: 'active' }, (response) => {
        if (typeof response === 'object') answers.push(response.status)
      })
    }
    await gateway.time.advance(50)
    expect(answers).toEqual([503])
    for (const notify of made.notifies.slice(1)) notify.respond(200)
    await gateway.time.advance(50)
    expect(answers).toEqual([503, 200, 200, 200, 200])
    expect(served.notifier.isOpen).toBe(true)
    made.status = 200
    made.subscription.unsubscribe()
    await gateway.time.advance(50)
    expect(made.ended).toBe('terminated')
  })

  it('one past those of a user is refused by whichever WebSocket, and another user is served; those that end make room', async () => {
    gateway = await ScriptedGateway.open()
    // The trunk is silent: what it was asked waits.
    gateway.trunkFlow.drops = () => true
    const devices = [
      await gateway.registered('alice', 'one'),
      await gateway.registered('alice', 'two'),
      await gateway.registered('alice', 'three'),
    ]
    const bob = await gateway.registered('bob')
    const made = Array.from({ length: SUBSCRIPTIONS_MOST.each + 1 }, (_, at) =>
      subscribe(devices[at % 3] ?? bob, 'alice', '0100', 'dialog'),
    )
    const ofBob = subscribe(bob, 'bob', '0100', 'dialog')
    await gateway.time.advance(100)
    expect(made.flatMap((each) => endOf(each) ?? [])).toEqual([503])
    expect([endOf(ofBob), gateway.logged('request refused')]).toMatchObject([
      undefined,
      [{ fields: { code: 'relay.overload' } }],
    ])
    expect(gateway.relay.tables().subscriptionShares).toBe(SUBSCRIPTIONS_MOST.each + 1)
    await gateway.time.advance(25_000)
    expect(gateway.relay.tables().subscriptionShares).toBe(0)
    gateway.trunkFlow.drops = () => false
    const later = subscribe(devices[0] ?? bob, 'alice', '0100', 'dialog')
    serve(await subscribedTo(gateway, gateway.trunk), 600)
    await gateway.time.advance(50)
    expect(later.accepted?.expiresS).toBe(600)
  })

  it('past the rate of a user is refused, however short the others were, while another user asks', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const { burst } = SUBSCRIBE_RATES.user
    const asks = async (count: number) => {
      const made = Array.from({ length: count }, () => subscribe(alice, 'alice', 'bob', 'presence'))
      await gateway.time.advance(50)
      return made.map(endOf)
    }
    // There is no bob yet.
    expect(await asks(burst + 1)).toEqual([...Array(burst).fill(480), 503])
    subscribe(await gateway.registered('bob'), 'bob', 'alice', 'presence')
    ;(await subscribedTo(gateway, alice)).reject(404)
    await gateway.time.advance(100)
    expect(gateway.calls.counters()).toMatchObject({ refused: { 'limit.rate': 1 } })
  })

  it('is told to everyone when the gateway stops', async () => {
    const { made, served } = await mailbox()
    gateway.relay.close()
    await gateway.time.advance(100)
    expect(states(made).at(-1)).toMatch(/^terminated;reason=probation/)
    expect(served.refreshes.map((refresh) => header(refresh.request, 'Expires'))).toEqual(['0'])
  })
})

describe('a browser that is gone', () => {
  it('has its subscriptions ended at the trunk after a while, and NOTIFY is asked to wait until then', async () => {
    const { alice, served } = await mailbox()
    await gateway.disconnect(alice)
    let answered: unknown
    served.notifier.notify({ state: 'active' }, (response) => {
      answered = response
    })
    await gateway.time.advance(GRACE_MS - 1_000)
    expect(answered).toMatchObject({ status: 503 })
    expect(served.refreshes).toEqual([])
    await gateway.time.advance(2_000)
    expect(served.refreshes.map((refresh) => header(refresh.request, 'Expires'))).toEqual(['0'])
    expect(gateway.relay.tables().relayedSubscriptions).toBe(0)
  })

  it('finds them again with the same device on a new WebSocket, and hears what it has missed', async () => {
    const { alice, made, served } = await mailbox()
    await gateway.disconnect(alice)
    const other = await gateway.registered('alice', 'another-device')
    await gateway.registered('bob', 'alice')
    expect(served.refreshes).toEqual([])
    const back = gateway.reconnect(alice)
    const password = gateway.config.users.find(({ name }) => name === 'alice')?.password?.reveal() ?? ''
    expect(await gateway.register(back, 'alice', password)).toBe(200)
    await gateway.time.advance(100)
    // The trunk was asked how things are, and the browser is told by its new WebSocket.
    expect(served.refreshes).toHaveLength(1)
    expect(states(made)).toEqual(['active;expires=300', 'active;expires=3600'])
    expect(gateway.toBrowser(other).filter((text) => text.startsWith('NOTIFY'))).toEqual([])
    await gateway.time.advance(GRACE_MS)
    served.notifier.notify({ state: 'active;expires=200', body: summary })
    await gateway.time.advance(100)
    expect(states(made)).toHaveLength(3)
    served.notifier.notify({ state: 'terminated;reason=noresource' })
    await gateway.time.advance(100)
    expect(made.ended).toBe('terminated')
  })

  it('and whose new WebSocket knows nothing of them ends them everywhere', async () => {
    const { alice, served } = await mailbox()
    await gateway.disconnect(alice)
    await gateway.registered('alice', 'alice')
    await gateway.time.advance(100)
    expect(served.ends).toEqual(['lost'])
    expect(gateway.relay.tables().relayedSubscriptions).toBe(0)
  })

  it('is not taken for gone while its WebSocket is open', async () => {
    const { made, served } = await mailbox()
    await gateway.registered('alice', 'alice')
    served.notifier.notify({ state: 'active;expires=300' })
    await gateway.time.advance(100)
    expect([served.refreshes, states(made)]).toEqual([[], ['active;expires=300', 'active;expires=300']])
    made.subscription.unsubscribe()
    await gateway.time.advance(50)
    expect(made.ended).toBe('terminated')
  })

  it('and was watched is reported to its watchers, granted or not', async () => {
    gateway = await ScriptedGateway.open()
    const bob = await gateway.registered('bob')
    const granted = subscribe(await gateway.registered('alice'), 'alice', 'bob', 'presence')
    serve(await subscribedTo(gateway, bob), 600).notifier.notify({ state: 'active' })
    const waiting = subscribe(gateway.trunk, '100', 'bob', 'presence')
    await gateway.time.advance(50)
    await gateway.disconnect(bob)
    expect(states(granted).at(-1)).toMatch(/^terminated;reason=probation/)
    expect([granted.ended, endOf(waiting)]).toEqual(['terminated', 480])
    expect(gateway.relay.tables().relayedSubscriptions).toBe(0)
  })

  it('before the trunk has answered leaves nothing behind', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    subscribe(alice, 'alice', '0100', 'presence')
    const incoming = await subscribedTo(gateway, gateway.trunk)
    await gateway.disconnect(alice)
    const served = serve(incoming, 600)
    await gateway.time.advance(GRACE_MS + 1_000)
    expect(served.refreshes.map((refresh) => header(refresh.request, 'Expires'))).toEqual(['0'])
  })
})
