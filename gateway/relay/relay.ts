import type { Log } from '../../config/logging.ts'
import { SipFailure } from '../../sip/failure.ts'
import { type Flow, isBrowserFlow } from '../../sip/flow.ts'
import type { Header } from '../../sip/message/message.ts'
import type { IncomingRequest, IncomingSubscribe, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { isTrunkParty, partyName } from '../calls/party.ts'
import { verdictOf } from '../diagnosis.ts'
import { ownHeadersOf, refusalHeaders } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Refusal, Refusals } from '../refusals.ts'
import type { Caller } from '../trunks/router.ts'
import { PENDING_MOST, RelayLimits, SUBSCRIPTIONS_MOST } from './relay-limits.ts'
import { RelayParties, type RelayPartiesOptions, type RelayPlan } from './relay-parties.ts'
import {
  ALLOW_EVENTS,
  answeredHeaders,
  failureOf,
  isOwnMailbox,
  relayedBody,
  relayedEvent,
  relayedHeaders,
} from './relay-policy.ts'
import { type RelayRequest, relayRequest } from './relay-request.ts'
import { RelaySubscription } from './relay-subscription.ts'

export interface RelayOptions extends RelayPartiesOptions {
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
}

const METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, UPDATE, PRACK, REFER'

/** Methods that mean something here. Only browsers register: a 405 that allows what it refuses (RFC 3261 §21.4.6) would be tried again. */
const allowFor = (flow: Flow): Header => ({
  name: 'Allow',
  value: isBrowserFlow(flow) ? `${METHODS}, REGISTER` : METHODS,
})
const ACCEPT: Header = { name: 'Accept', value: 'application/sdp, text/plain' }

/** Everything that passes the gateway beside calls: MESSAGE, SUBSCRIBE and NOTIFY; and OPTIONS, which it answers itself. */
export class Relay {
  readonly #options: RelayOptions
  readonly #parties: RelayParties
  readonly #limits = new RelayLimits(PENDING_MOST)
  /** How to give up each relayed request that waits. */
  readonly #waiting = new Set<() => void>()
  readonly #shares = new RelayLimits(SUBSCRIPTIONS_MOST)
  readonly #subscriptions = new Set<RelaySubscription>()
  /** The users among the subscribers, who may come back by another WebSocket. */
  readonly #subscribers = new Map<RelaySubscription, string>()
  /** How many of theirs there are by each WebSocket. */
  readonly #perFlow = new Map<string, number>()
  /** Who sent a request, where that is known. */
  readonly #identified = new WeakMap<IncomingRequest, string>()
  #isOpen = true

  constructor(options: RelayOptions) {
    this.#options = options
    this.#parties = new RelayParties(options)
  }

  /** Sizes of all tables; all zero when nothing is under way. */
  tables(): Readonly<Record<string, number>> {
    return {
      relayedRequests: this.#limits.size,
      waitingRequests: this.#waiting.size,
      relayedSubscriptions: this.#subscriptions.size,
      subscriptionShares: this.#shares.size,
      relayedSubscribers: this.#subscribers.size,
      subscriberFlows: this.#perFlow.size,
    }
  }

  /** A request outside a dialog, REGISTER and SUBSCRIBE excepted; answered in every case. Never throws. */
  onRequest(incoming: IncomingRequest): void {
    try {
      this.#requireOpen()
      switch (incoming.request.method) {
        case 'OPTIONS':
          this.#answerOptions(incoming)
          return
        case 'MESSAGE':
          this.#message(incoming)
          return
        case 'NOTIFY':
          this.#unsolicited(incoming)
          return
        default:
          this.#refuseMethod(incoming)
      }
    } catch (error) {
      this.#refuse(incoming, error)
    }
  }

  /** A SUBSCRIBE outside a dialog; answered in every case. Never throws. */
  onSubscribe(subscribe: IncomingSubscribe): void {
    const { request, flow } = subscribe
    const asked: IncomingRequest = {
      request,
      flow,
      respond: (status, options) => subscribe.reject(status, options),
    }
    try {
      this.#requireOpen()
      this.#subscribe(subscribe, asked)
    } catch (error) {
      this.#refuse(asked, error, [ALLOW_EVENTS])
    }
  }

  /** Subscriptions of a browser that is gone wait for it, but not for long; those to it have ended. */
  flowClosed(flow: Flow): void {
    for (const subscription of [...this.#subscriptions]) {
      if (subscription.notifierFlow === flow) subscription.notifierGone()
      else if (subscription.flow === flow) subscription.suspend()
    }
  }

  /** What a user has subscribed to by the flow `from` goes on by `to`. */
  rehome(from: Flow, to: Flow, user: string): void {
    if (this.usesOf(from) === 0) return
    for (const [subscription, subscriber] of this.#subscribers) {
      if (subscription.flow !== from || subscriber !== user) continue
      this.#count(from, -1)
      this.#count(to, 1)
      subscription.resume(to)
    }
  }

  /** How many subscriptions users have by this flow. */
  usesOf(flow: Flow): number {
    return this.#perFlow.get(flow.id) ?? 0
  }

  #count(flow: Flow, change: 1 | -1): void {
    const count = this.usesOf(flow) + change
    if (count === 0) this.#perFlow.delete(flow.id)
    else this.#perFlow.set(flow.id, count)
  }

  /** Ends all subscriptions, gives up what waits for an answer, and refuses what comes from now on; the peers are told. */
  close(): void {
    this.#isOpen = false
    for (const giveUp of [...this.#waiting]) giveUp()
    for (const subscription of [...this.#subscriptions]) subscription.close()
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new GatewayFailure('call.draining')
  }

  /** Before anything else is judged: what is said to strangers says nothing of us. Undefined: challenged, the answer is out. */
  #identify(incoming: IncomingRequest): Caller | undefined {
    const caller = this.#parties.identify(incoming)
    if (caller !== undefined) this.#identified.set(incoming, partyName(caller))
    return caller
  }

  /**
   * Answered here in every case, as RFC 3261 §11 wants of whoever would get the INVITE. PBXes ask every few seconds whether
   * a peer lives, at its host or at each user; a browser that was woken for it would drop its pings behind a proxy, and
   * what it can do is no secret of its own: its calls end in this gateway.
   */
  #answerOptions(incoming: IncomingRequest): void {
    const { request } = incoming
    if (this.#parties.dialledOf(request) !== '') {
      const caller = this.#identify(incoming)
      if (caller === undefined) return
      this.#parties.probe(request, caller)
    }
    // A copy gets it again: pings of a PBX hold no places.
    incoming.respond(200, { headers: [allowFor(incoming.flow), ACCEPT, ALLOW_EVENTS], isOnce: true })
  }

  /** RFC 3428 §7: to all devices of a user at once, or to a trunk. */
  #message(incoming: IncomingRequest): void {
    const { request } = incoming
    const caller = this.#identify(incoming)
    if (caller === undefined) return
    const body = relayedBody(request)
    const plan = this.#parties.plan(incoming, caller)
    const headers = relayedHeaders('MESSAGE', request, plan.sender, plan.passHeaders.there)
    this.#pass(incoming, plan, { method: 'MESSAGE', headers, ...body })
  }

  /** A PBX tells of messages waiting without being asked (RFC 3842 wants a subscription, phones do without); nobody else may. */
  #unsolicited(incoming: IncomingRequest): void {
    const { request, flow } = incoming
    const caller = this.#identify(incoming)
    if (caller === undefined) return
    if (isBrowserFlow(flow) || relayedEvent(request) !== 'message-summary')
      throw new GatewayFailure('relay.no-subscription')
    const told = request.headers.filter(({ name }) => name === 'Event' || name === 'Subscription-State')
    const body = relayedBody(request)
    const plan = this.#parties.plan(incoming, caller)
    const headers = [...relayedHeaders('NOTIFY', request, plan.sender, plan.passHeaders.there), ...told]
    this.#pass(incoming, plan, { method: 'NOTIFY', headers, ...body })
  }

  #pass(incoming: IncomingRequest, plan: RelayPlan, relayed: RelayRequest): void {
    const leave = this.#limits.enter(incoming.flow.scope)
    const headers = [...plan.headers, ...relayed.headers]
    const giveUp = relayRequest(this.#options, plan, { ...relayed, headers }, (response) => {
      leave()
      this.#waiting.delete(giveUp)
      if (typeof response === 'string' || response.status >= 300) {
        const passed =
          typeof response === 'string' ? [] : answeredHeaders(response, plan.name, plan.passHeaders.back)
        this.#refuse(incoming, plan.failureOf?.(response) ?? failureOf(response, plan.isTrunk), passed)
        return
      }
      const { callId, method } = incoming.request
      this.#options.log.info('request relayed', { callId, method, to: plan.name, status: response.status })
      incoming.respond(response.status, {
        headers: answeredHeaders(response, plan.name, plan.passHeaders.back),
      })
    })
    this.#waiting.add(giveUp)
  }

  #subscribe(subscribe: IncomingSubscribe, asked: IncomingRequest): void {
    const { request } = subscribe
    const caller = this.#identify(asked)
    if (caller === undefined) return
    const event = relayedEvent(request)
    const plan = this.#parties.plan(
      subscribe,
      caller,
      isOwnMailbox(caller, this.#parties.dialledOf(request), event),
    )
    const { log } = this.#options
    const leave = this.#shares.enter(partyName(caller))
    const subscription = this.#open(subscribe, plan, leave)
    this.#subscriptions.add(subscription)
    if (caller.kind === 'user') {
      this.#subscribers.set(subscription, caller.user)
      this.#count(subscription.flow, 1)
    }
    log.info('subscription started', { callId: request.callId, event, to: plan.name })
  }

  #open(subscribe: IncomingSubscribe, plan: RelayPlan, leave: () => void): RelaySubscription {
    const { userAgent, environment, refusals } = this.#options
    const onEnded = (ended: RelaySubscription): void => {
      leave()
      this.#subscriptions.delete(ended)
      if (this.#subscribers.delete(ended)) this.#count(ended.flow, -1)
    }
    try {
      return new RelaySubscription({ userAgent, environment, refusals, plan, onEnded }, subscribe)
    } catch (error) {
      leave()
      throw error
    }
  }

  /** PBXes and phones publish presence by habit; a REGISTER is a mistake of whoever set it up, and is not hidden by that. */
  #refuseMethod(incoming: IncomingRequest): void {
    const { request, flow } = incoming
    const { method } = request
    const error = new SipFailure('sip.unsupported-method', { seen: method })
    const verdict = verdictOf(error)
    const party = isTrunkParty(flow.scope) ? flow.scope : undefined
    const habit = method === 'REGISTER' ? `${flow.scope} REGISTER` : flow.scope
    this.#tellRefusal(incoming, { verdict, error, party, habit })
    incoming.respond(verdict.status, { headers: [allowFor(flow), ...refusalHeaders(verdict)] })
  }

  #tellRefusal({ request, flow }: IncomingRequest, refusal: Omit<Refusal, 'fields'>): void {
    const { callId, method } = request
    const fields = { callId, method, source: flow.remote.address }
    this.#options.refusals.tell('request refused', { ...refusal, fields })
  }

  #refuse(incoming: IncomingRequest, error: unknown, passed: readonly Header[] = []): void {
    const verdict = verdictOf(error)
    this.#tellRefusal(incoming, { verdict, error, party: this.#identified.get(incoming) })
    const headers = [...passed, ...ownHeadersOf(error), ...refusalHeaders(verdict)]
    // A stranger's holds no place: a copy is refused again. One that was past a rate might pass by then, and its sender send anew.
    incoming.respond(verdict.status, { headers, isOnce: verdict.code === 'call.forbidden' })
  }
}
