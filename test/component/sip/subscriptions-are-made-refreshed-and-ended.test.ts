import { expect, test } from 'vitest'
import type { TransportName } from '../../../sip/flow.ts'
import { header } from '../../../sip/message/headers.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import type {
  GrantOptions,
  IncomingRefresh,
  IncomingRequest,
  IncomingSubscribe,
  Notifier,
  OutgoingSubscription,
  SubscribeOptions,
  SubscriberHandler,
  UserAgentLimits,
} from '../../../sip/user-agent.ts'
import { createUserAgent } from '../../../sip/user-agent.ts'
import { Link, type LinkOptions } from '../../harness/sip/link.ts'
import { AGES_MS } from '../../harness/sip/pair.ts'
import { EMPTY_TABLES } from '../../harness/sip/phone.ts'
import {
  type AskOptions,
  ask,
  lineOf,
  type ReplyOptions,
  reply,
  statusOf,
  tagOf,
} from '../../harness/sip/scripted-peer.ts'
import { VirtualClock } from '../../harness/sip/virtual-clock.ts'

/** A user agent that grants subscriptions, and a diary of what its handlers were called for. */
function agent(clock: VirtualClock, limits: Partial<UserAgentLimits> = {}) {
  const diary: string[] = []
  const subscribes: IncomingSubscribe[] = []
  const notifiers: Notifier[] = []
  const refreshes: IncomingRefresh[] = []
  const notifies: IncomingRequest[] = []
  const errors: unknown[] = []
  const userAgent = createUserAgent({
    environment: clock,
    product: 'test',
    sentBy: (flow) => ({ host: flow.local.address, port: flow.local.port }),
    limits: {
      maxServerTransactions: 1_000,
      maxClientTransactions: 1_000,
      maxDialogs: 1_000,
      maxForks: 4,
      ...limits,
    },
    handler: {
      onInvite: (invite) => invite.reject(486),
      onSubscribe: (subscribe) => {
        diary.push('subscribe')
        subscribes.push(subscribe)
      },
      onRequest: (request) => request.respond(405),
      onError: (error) => errors.push(error),
    },
  })
  const accept = (subscribe: IncomingSubscribe, grant: GrantOptions = { expiresS: 600 }): Notifier => {
    const notifier = subscribe.accept(grant, {
      onRefresh: (refresh) => {
        diary.push(`refresh ${header(refresh.request, 'Expires')}`)
        refreshes.push(refresh)
      },
      onEnd: (reason) => diary.push(`end ${reason}`),
    })
    if (notifier === undefined) throw new Error('too late')
    notifiers.push(notifier)
    return notifier
  }
  const handler: SubscriberHandler = {
    onAccept: (response, expiresS) => diary.push(`accept ${response.status} ${expiresS}`),
    onNotify: (notify) => {
      diary.push(`notify ${header(notify.request, 'Subscription-State')}`)
      notifies.push(notify)
      notify.respond(200)
    },
    onEnd: (reason) => diary.push(`end ${typeof reason === 'string' ? reason : reason.status}`),
  }
  return { userAgent, diary, subscribes, notifiers, refreshes, notifies, errors, accept, handler }
}

function parties(link: LinkOptions = {}, limits: Partial<UserAgentLimits> = {}) {
  const clock = new VirtualClock()
  const phone = agent(clock, limits)
  const pbx = agent(clock)
  const wire = new Link(clock, link)
  wire.connect(phone.userAgent, pbx.userAgent)
  const subscribe = (over: Partial<SubscribeOptions> = {}): OutgoingSubscription =>
    phone.userAgent.subscribe(
      {
        flow: wire.a.flow,
        uri: parseNameAddr('<sip:box@192.0.2.2>').uri,
        from: parseNameAddr('<sip:alice@192.0.2.1>'),
        to: parseNameAddr('<sip:box@192.0.2.2>'),
        event: 'message-summary',
        expiresS: 600,
        ...over,
      },
      phone.handler,
    )
  return { clock, phone, pbx, wire, subscribe, sent: wire.a.sent, heard: wire.b.sent }
}

/** A user agent at one end, and at the other whatever the test writes by hand. */
function scripted(limits: Partial<UserAgentLimits> = {}, transport: TransportName = 'udp') {
  const made = parties({ delayMs: 0, transport }, limits)
  made.wire.connect(made.phone.userAgent, { receive: () => {} })
  const say = (text: string): void => made.phone.userAgent.receive(Buffer.from(text), made.wire.a.flow)
  return { ...made, say, last: () => made.sent.at(-1) ?? '' }
}

const EVENT = 'Event: message-summary'
const ACTIVE = 'Subscription-State: active;expires=600'

/** NOTIFY to a subscription of ours, given its SUBSCRIBE. */
const notifyTo = (subscribe: string, options: AskOptions = {}): string =>
  ask('NOTIFY', {
    callId: lineOf(subscribe, 'Call-ID').slice('Call-ID: '.length),
    toTag: /;tag=(\w+)/.exec(lineOf(subscribe, 'From'))?.[1] ?? '',
    headers: ['Contact: <sip:box@192.0.2.2:5060>', EVENT, ACTIVE],
    fromTag: 'bob',
    ...options,
  })

const ok = (subscribe: string, options: ReplyOptions = {}): string =>
  reply(subscribe, 200, { headers: ['Contact: <sip:box@192.0.2.2>', 'Expires: 300'], ...options })

const expectEmpty = (...agents: readonly ReturnType<typeof agent>[]): void => {
  for (const each of agents) {
    expect(each.userAgent.tables()).toEqual(EMPTY_TABLES)
    expect(each.errors).toEqual([])
  }
}

test('a subscription is made, notified, refreshed and ended by the subscriber', () => {
  const { clock, phone, pbx, subscribe, sent } = parties()
  const subscription = subscribe()
  clock.advance(100)
  const [asked] = pbx.subscribes
  if (asked === undefined) throw new Error('no SUBSCRIBE')
  const notifier = pbx.accept(asked, { expiresS: 300 })
  const answers: unknown[] = []
  notifier.notify({ state: 'active;expires=300' }, (response) => answers.push(response))
  clock.advance(100)
  expect(phone.diary).toEqual(['accept 200 300', 'notify active;expires=300'])
  expect(answers).toMatchObject([{ status: 200 }])
  expect(header(phone.notifies[0]?.request ?? asked.request, 'Event')).toBe('message-summary')

  subscription.refresh({ expiresS: 600 }, (response) => answers.push(response))
  clock.advance(100)
  pbx.refreshes[0]?.accept({ expiresS: 500 })
  clock.advance(100)
  expect(answers).toMatchObject([{ status: 200 }, { status: 200 }])
  expect(sent.filter((text) => text.startsWith('SUBSCRIBE')).map((text) => lineOf(text, 'CSeq'))).toEqual([
    'CSeq: 1 SUBSCRIBE',
    'CSeq: 2 SUBSCRIBE',
  ])

  subscription.unsubscribe()
  subscription.unsubscribe()
  clock.advance(100)
  expect(pbx.diary.at(-1)).toBe('refresh 0')
  pbx.refreshes[1]?.accept({ expiresS: 0 })
  notifier.notify({ state: 'terminated;reason=timeout' })
  clock.advance(100)
  expect(phone.diary.slice(2)).toEqual(['notify terminated;reason=timeout', 'end terminated'])
  expect([subscription.isOpen, notifier.isOpen]).toEqual([false, false])
  clock.advance(AGES_MS)
  expectEmpty(phone, pbx)
})

test.each([0.1, 0.25])('it survives the loss of %d of all datagrams', (loss) => {
  const { clock, phone, pbx, subscribe } = parties({ loss, duplicates: 0.1, jitterMs: 40 })
  const subscription = subscribe()
  clock.advance(10_000)
  const [asked] = pbx.subscribes
  expect(pbx.subscribes).toHaveLength(1)
  if (asked === undefined) throw new Error('no SUBSCRIBE')
  const notifier = pbx.accept(asked)
  notifier.notify({ state: 'active' })
  clock.advance(20_000)
  expect(phone.diary.toSorted()).toEqual(['accept 200 600', 'notify active'])
  subscription.unsubscribe()
  clock.advance(10_000)
  pbx.refreshes[0]?.accept({ expiresS: 0 })
  notifier.notify({ state: 'terminated' })
  clock.advance(AGES_MS)
  expect(phone.diary.at(-1)).toBe('end terminated')
  expectEmpty(phone, pbx)
})

test('NOTIFY before the 2xx makes the dialog; NOTIFY of another fork is answered 481', () => {
  const { clock, phone, subscribe, sent, say, last } = scripted()
  const subscription = subscribe()
  const first = sent[0] ?? ''
  say(notifyTo(first, { fromTag: 'one' }))
  expect(phone.diary).toEqual(['notify active;expires=600'])
  expect(statusOf(last())).toBe(200)
  say(notifyTo(first, { fromTag: 'two', branch: 'z9hG4bKtwo' }))
  expect(statusOf(last())).toBe(481)
  // The 2xx is that of the other fork: the one that notified first is kept.
  say(ok(first, { tag: 'two' }))
  expect(phone.diary).toEqual(['notify active;expires=600', 'accept 200 300'])
  subscription.refresh({ expiresS: 0 }, () => {})
  expect(lineOf(last(), 'To')).toContain('tag=one')
  expect(lineOf(last(), 'CSeq')).toBe('CSeq: 2 SUBSCRIBE')
  expect(last()).toMatch(/^SUBSCRIBE sip:box@192\.0\.2\.2:5060 /)
  clock.advance(AGES_MS)
  expect(phone.diary.at(-1)).toMatch(/^end/)
  expectEmpty(phone)
})

test('numbers go on from the SUBSCRIBE, whatever number that had, though NOTIFY came before its 2xx', () => {
  const { clock, phone, subscribe, sent, say, last } = scripted()
  const subscription = subscribe({ numbers: { callId: 'again', cseq: 7 } })
  const first = sent[0] ?? ''
  say(notifyTo(first))
  say(ok(first))
  subscription.refresh({ expiresS: 0 }, () => {})
  expect(lineOf(last(), 'CSeq')).toBe('CSeq: 8 SUBSCRIBE')
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test('NOTIFY of another event, out of order, without a usable Contact, or of another method is refused', () => {
  const { clock, phone, subscribe, sent, say, last } = scripted()
  subscribe()
  const first = sent[0] ?? ''
  say(notifyTo(first, { headers: [EVENT, ACTIVE], branch: 'z9hG4bK0' }))
  expect(statusOf(last())).toBe(400)
  say(notifyTo(first, { cseq: 5, branch: 'z9hG4bK1' }))
  expect(statusOf(last())).toBe(200)
  say(notifyTo(first, { cseq: 4, branch: 'z9hG4bK2' }))
  expect(statusOf(last())).toBe(500)
  const wrong = ['Contact: <sip:box@192.0.2.2:5060>', ACTIVE]
  say(notifyTo(first, { cseq: 6, branch: 'z9hG4bK3', headers: [...wrong, 'Event: presence'] }))
  expect(statusOf(last())).toBe(489)
  say(notifyTo(first, { cseq: 7, branch: 'z9hG4bK4', headers: [...wrong, `${EVENT};id=7`] }))
  expect(statusOf(last())).toBe(489)
  say(notifyTo(first, { cseq: 8, branch: 'z9hG4bK5', headers: wrong }))
  expect(statusOf(last())).toBe(489)
  say(notifyTo(first, { cseq: 9, branch: 'z9hG4bK6' }).replaceAll('NOTIFY', 'INFO'))
  expect(statusOf(last())).toBe(405)
  expect(phone.diary).toEqual(['notify active;expires=600'])
  clock.advance(AGES_MS * 4)
  expectEmpty(phone)
})

test('what one flow scope subscribed to is unknown in another', () => {
  const { clock, phone, wire, subscribe, sent } = scripted()
  subscribe()
  const other = { ...wire.a.flow, scope: 'trunk:other', isOpen: true }
  phone.userAgent.receive(Buffer.from(notifyTo(sent[0] ?? '')), other)
  expect(phone.diary).toEqual([])
  expect(statusOf(sent.at(-1) ?? '')).toBe(481)
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test.each([
  ['a refusal', 403, 'end 403'],
  ['silence', undefined, 'end timeout'],
])('%s ends it', (_name, status, ending) => {
  const { clock, phone, subscribe, sent, say } = scripted()
  const subscription = subscribe()
  if (status !== undefined) say(reply(sent[0] ?? '', status))
  clock.advance(AGES_MS)
  expect(phone.diary).toEqual([ending])
  let answer: unknown
  subscription.refresh({ expiresS: 60 }, (response) => {
    answer = response
  })
  subscription.unsubscribe()
  clock.advance(1)
  expect(answer).toMatchObject({ status: 481 })
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test('a 2xx that no NOTIFY follows ends after 64*T1 (Timer N)', () => {
  const { clock, phone, subscribe, sent, say } = scripted()
  subscribe()
  say(ok(sent[0] ?? ''))
  clock.advance(31_000)
  expect(phone.diary).toEqual(['accept 200 300'])
  clock.advance(1_000)
  expect(phone.diary).toEqual(['accept 200 300', 'end no-notify'])
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test('without a refresh it ends by itself, at the time of the 2xx or the earlier one of a NOTIFY', () => {
  const { clock, phone, subscribe, sent, say } = scripted()
  subscribe()
  say(ok(sent[0] ?? ''))
  say(
    notifyTo(sent[0] ?? '', {
      headers: ['Contact: <sip:b@192.0.2.2>', EVENT, 'Subscription-State: active;expires=60'],
    }),
  )
  clock.advance(91_000)
  expect(phone.diary).toHaveLength(2)
  clock.advance(2_000)
  expect(phone.diary.at(-1)).toBe('end expired')
  expectEmpty(phone)
})

test.each([
  [481, true],
  [489, true],
  [500, false],
  [423, false],
])('a refresh answered %i: ended is %s', (status, isEnded) => {
  const { clock, phone, subscribe, sent, say, last } = scripted()
  const subscription = subscribe()
  say(ok(sent[0] ?? ''))
  say(notifyTo(sent[0] ?? ''))
  subscription.refresh({ expiresS: 300 }, () => {})
  say(reply(last(), status))
  expect(subscription.isOpen).toBe(!isEnded)
  clock.advance(AGES_MS * 4)
  expectEmpty(phone)
})

test('an unsubscribe before the answer is sent as soon as there is a dialog', () => {
  const { clock, phone, subscribe, sent, say, last } = scripted()
  const subscription = subscribe()
  subscription.unsubscribe()
  expect(sent).toHaveLength(1)
  say(ok(sent[0] ?? ''))
  expect(lineOf(last(), 'Expires')).toBe('Expires: 0')
  clock.advance(AGES_MS)
  expect(phone.diary.at(-1)).toMatch(/^end/)
  expectEmpty(phone)
})

test('a subscriber that does not refresh is told, and one that is gone is forgotten', () => {
  const { clock, phone, say, sent, last } = scripted()
  const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
  for (const callId of ['late', 'gone', 'busy'])
    say(ask('SUBSCRIBE', { callId, branch: `z9hG4bK${callId}`, headers: [contact, EVENT] }))
  for (const subscribe of phone.subscribes) phone.accept(subscribe, { expiresS: 60 })
  const [late, gone, busy] = phone.notifiers
  gone?.notify({ state: 'active' })
  say(reply(last(), 481))
  expect(phone.diary.at(-1)).toBe('end lost')
  busy?.notify({ state: 'active' })
  say(reply(last(), 503, { headers: ['Retry-After: 5'] }))
  expect([late?.isOpen, gone?.isOpen, busy?.isOpen]).toEqual([true, false, true])
  clock.advance(60_000 + 32_000)
  expect(phone.diary.slice(-2)).toEqual(['end expired', 'end expired'])
  expect(sent.filter((text) => text.startsWith('NOTIFY')).at(-1)).toContain('terminated;reason=timeout')
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test('SUBSCRIBE without Event or Contact, of another event, out of order, or another method inside is refused', () => {
  const { clock, phone, say, last } = scripted()
  const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
  say(ask('SUBSCRIBE', { callId: 'a', branch: 'z9hG4bKa', headers: [contact] }))
  expect(statusOf(last())).toBe(489)
  say(ask('SUBSCRIBE', { callId: 'b', branch: 'z9hG4bKb', headers: [EVENT] }))
  expect(statusOf(last())).toBe(400)
  say(ask('SUBSCRIBE', { callId: 'c', branch: 'z9hG4bKc', cseq: 10, headers: [contact, EVENT] }))
  const [subscribe] = phone.subscribes
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  phone.accept(subscribe)
  const toTag = tagOf(last())
  const inside = (method: string, cseq: number, event: string): number => {
    say(ask(method, { callId: 'c', toTag, cseq, headers: [contact, event] }))
    return statusOf(last())
  }
  expect(inside('SUBSCRIBE', 11, 'Event: presence')).toBe(489)
  expect(inside('SUBSCRIBE', 9, EVENT)).toBe(500)
  expect(inside('INFO', 12, EVENT)).toBe(405)
  expect(inside('BYE', 13, EVENT)).toBe(405)
  expect(inside('SUBSCRIBE', 14, 'Event: message-summary;id="')).toBe(489)
  expect(inside('SUBSCRIBE', 15, 'Event: ;id=1')).toBe(489)
  expect(phone.diary).toEqual(['subscribe'])
  clock.advance(AGES_MS * 4)
  expectEmpty(phone)
})

test('one subscription past the limit of its scope, or of all, is refused; places come back', () => {
  const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
  for (const limits of [{ maxSubscriptionsPerScope: 2 }, { maxSubscriptions: 2 }]) {
    const { clock, phone, say, sent, last } = scripted(limits)
    const asks = (callId: string) =>
      say(ask('SUBSCRIBE', { callId, branch: `z9hG4bK${callId}`, headers: [contact, EVENT] }))
    for (const callId of ['one', 'two', 'three']) asks(callId)
    expect(phone.diary).toEqual(['subscribe', 'subscribe'])
    expect(last()).toMatch(/^SIP\/2\.0 503.*Retry-After/s)
    phone.subscribes[0]?.reject(403)
    asks('four')
    expect(phone.diary).toHaveLength(3)
    // Nobody answers the others: their places come back with the end of their transactions.
    clock.advance(AGES_MS)
    expect(sent.filter((text) => text.startsWith('SIP/2.0 503'))).toHaveLength(1)
    expectEmpty(phone)
  }
})

// Over a reliable transport the transaction of a SUBSCRIBE ends within its 200, and took the place of the subscription with it.
test.each(['udp', 'tcp', 'tls', 'ws', 'wss'] as const)(
  'subscriptions that were accepted over %s keep their places, and one past the limit is refused',
  (transport) => {
    const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
    for (const limits of [{ maxSubscriptionsPerScope: 2 }, { maxSubscriptions: 2 }]) {
      const { clock, phone, say, last } = scripted(limits, transport)
      const via = `SIP/2.0/${transport.toUpperCase()} 192.0.2.2`
      const asks = (callId: string): number => {
        const branch = `z9hG4bK${callId}`
        say(ask('SUBSCRIBE', { callId, via: `${via};branch=${branch}`, headers: [contact, EVENT] }))
        return phone.subscribes.length
      }
      for (const [at, callId] of ['one', 'two'].entries()) {
        asks(callId)
        const asked = phone.subscribes[at]
        if (asked !== undefined) phone.accept(asked)
        expect(statusOf(last())).toBe(200)
      }
      expect([phone.userAgent.tables().subscriptions, asks('three')]).toEqual([2, 2])
      expect(statusOf(last())).toBe(503)
      phone.notifiers[0]?.notify({ state: 'terminated' })
      expect(asks('four')).toBe(3)
      phone.subscribes[2]?.reject(403)
      // Answered already: it has no place, and takes nobody else's.
      expect(phone.subscribes[2]?.accept({ expiresS: 60 }, { onRefresh: () => {}, onEnd: () => {} })).toBe(
        undefined,
      )
      expect(phone.userAgent.tables().subscriptions).toBe(1)
      clock.advance(700_000)
      expectEmpty(phone)
    }
  },
)

test('one subscription of ours past the limit is not sent; calls are not counted with them', () => {
  const { clock, phone, subscribe, sent, say } = scripted({ maxSubscriptions: 1, maxDialogs: 1 })
  subscribe()
  subscribe()
  clock.advance(1)
  expect(phone.diary).toEqual(['end overload'])
  expect(sent.filter((text) => text.startsWith('SUBSCRIBE'))).toHaveLength(1)
  say(ask('INVITE'))
  expect(statusOf(sent.at(-1) ?? '')).toBe(486)
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test('a handler that throws costs its own subscription and no more', () => {
  const { clock, phone, say, last } = scripted()
  phone.subscribes.push = () => {
    throw new Error('mistake')
  }
  say(ask('SUBSCRIBE', { headers: ['Contact: <sip:peer@192.0.2.2:5060>', EVENT] }))
  expect(statusOf(last())).toBe(500)
  expect(phone.errors).toHaveLength(1)
  clock.advance(AGES_MS)
  expect(phone.userAgent.tables()).toEqual(EMPTY_TABLES)
})

test('a notifier follows its subscriber to another flow', () => {
  const { clock, phone, wire, say, sent } = scripted({ maxSubscriptionsPerScope: 1 })
  const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
  say(ask('SUBSCRIBE', { headers: [contact, EVENT] }))
  const [subscribe] = phone.subscribes
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  const notifier = phone.accept(subscribe)
  const toTag = tagOf(sent.at(-1) ?? '')
  const heard: string[] = []
  const moved = {
    ...wire.a.flow,
    scope: 'ws2',
    isOpen: true,
    send: (bytes: Uint8Array) => heard.push(String(bytes)),
  }
  notifier.useFlow(moved)
  const refresh = ask('SUBSCRIBE', { toTag, cseq: 2, headers: [contact, EVENT, 'Expires: 60'] })
  say(refresh)
  expect(statusOf(sent.at(-1) ?? '')).toBe(481)
  phone.userAgent.receive(Buffer.from(refresh.replace('z9hG4bKSUBSCRIBE2', 'z9hG4bKmoved')), moved)
  expect(phone.diary.at(-1)).toBe('refresh 60')
  phone.refreshes[0]?.accept({ expiresS: 60 })
  notifier.notify({ state: 'active' })
  expect(heard.map((text) => text.split(' ')[0])).toEqual(['SIP/2.0', 'NOTIFY'])
  // Its place in the old scope is free, the one in the new is taken.
  say(ask('SUBSCRIBE', { callId: 'next', branch: 'z9hG4bKnext', headers: [contact, EVENT] }))
  expect(phone.subscribes).toHaveLength(2)
  notifier.close()
  clock.advance(AGES_MS)
  expectEmpty(phone)
})

test.each([
  'Event: ;id',
  'Event: message-summary;id="',
  'Expires: 60;x="',
  'Expires: 99999999999999999999',
  'Subscription-State: ;;="',
  'Subscription-State: active;expires="',
  'Contact: <',
  'Contact: *',
  'Contact: <tel:1>',
  'Record-Route: <tel:1>',
  'Record-Route: <<>',
  'Retry-After: x',
])('%s in any message of a subscription is never taken for a mistake of ours', (line) => {
  const { clock, phone, subscribe, sent, say } = scripted()
  const contact = 'Contact: <sip:peer@192.0.2.2:5060>'
  const subscription = subscribe()
  const first = sent[0] ?? ''
  say(notifyTo(first, { branch: 'z9hG4bK1', headers: [line, EVENT, ACTIVE, contact] }))
  say(notifyTo(first, { branch: 'z9hG4bK2', cseq: 2, headers: [EVENT, line] }))
  say(reply(first, 200, { headers: [line, contact] }))
  subscription.refresh({ expiresS: 60 }, () => {})
  say(reply(sent.findLast((text) => text.startsWith('SUBSCRIBE')) ?? '', 200, { headers: [line] }))
  say(ask('SUBSCRIBE', { callId: 'odd', branch: 'z9hG4bK3', headers: [line, EVENT, contact] }))
  say(ask('SUBSCRIBE', { callId: 'good', branch: 'z9hG4bK4', headers: [contact, EVENT] }))
  for (const incoming of phone.subscribes) phone.accept(incoming)
  const toTag = tagOf(sent.at(-1) ?? '')
  say(ask('SUBSCRIBE', { callId: 'good', branch: 'z9hG4bK5', cseq: 2, toTag, headers: [line, EVENT] }))
  for (const notifier of phone.notifiers) notifier.notify({ state: 'active' })
  for (const notify of sent.filter((text) => text.startsWith('NOTIFY')))
    say(reply(notify, 500, { headers: [line] }))
  expect(phone.subscribes.length).toBeGreaterThan(0)
  clock.advance(100_000_000)
  expectEmpty(phone)
})
