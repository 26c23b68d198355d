import type { Flow } from '../../sip/flow.ts'
import { header, seconds } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { subscriptionState } from '../../sip/subscription/event.ts'
import type {
  IncomingRefresh,
  IncomingRequest,
  IncomingSubscribe,
  NoAnswer,
  Notifier,
  OutgoingSubscription,
  SipEnvironment,
  SubscriptionEnd,
  UserAgent,
} from '../../sip/user-agent.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { refusalHeaders } from '../failure.ts'
import type { Refusals } from '../refusals.ts'
import type { RelayPlan } from './relay-parties.ts'
import {
  answeredHeaders,
  askedExpires,
  failureOf,
  MAX_RELAYED_EXPIRES_S,
  relayedBody,
  relayedHeaders,
} from './relay-policy.ts'
import { RELAY_ANSWER_MS } from './relay-request.ts'

export interface RelaySubscriptionOptions {
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly refusals: Refusals
  readonly plan: RelayPlan
  /** Both sides are over; called once. */
  readonly onEnded: (subscription: RelaySubscription) => void
}

/**
 * How long the subscriptions of a closed WebSocket are kept at their notifiers. A page that is loaded again, or a phone
 * that changes its network, is back within seconds and takes them over; and a notifier is not asked to end and to make
 * hundreds of them whenever a proxy restarts. NOTIFY is told to wait for as long.
 */
export const GRACE_MS = 30_000

/** NOTIFY requests of one subscription that may wait for the subscriber's answer; RFC 6665 §4.2.2 allows its sender one. */
export const MAX_PENDING_NOTIFY = 4

/** The notifier has gone without a last word: the subscriber may ask again, but not at once (RFC 6665 §4.1.3). */
const LOST = 'terminated;reason=probation;retry-after=30'

/**
 * One subscription through the gateway: the subscriber's dialog with us and ours with the notifier. Nothing is
 * remembered of what they say: each refresh and each NOTIFY is passed, and so is its answer.
 */
export class RelaySubscription {
  readonly #options: RelaySubscriptionOptions
  readonly #subscribe: IncomingSubscribe
  readonly #upstream: OutgoingSubscription
  #notifier: Notifier | undefined
  #flow: Flow
  #pendingNotify = 0
  #isOver = false
  #stopWaiting: () => void = () => {}
  #stopGrace: () => void = () => {}

  /** Sends the SUBSCRIBE on. Throws what is wrong with it. */
  constructor(options: RelaySubscriptionOptions, subscribe: IncomingSubscribe) {
    this.#options = options
    this.#subscribe = subscribe
    this.#flow = subscribe.flow
    const { userAgent, environment, plan } = options
    const { request } = subscribe
    const [target] = plan.targets
    if (target === undefined) throw new Error('a plan without a target')
    const headers = [...plan.headers, ...this.#asked(request)]
    const body = relayedBody(request)
    this.#upstream = userAgent.subscribe(
      {
        flow: target.flow,
        uri: target.uri,
        from: plan.from,
        to: plan.to,
        ...(plan.route === undefined ? {} : { route: plan.route }),
        ...(plan.numbers === undefined ? {} : { numbers: plan.numbers }),
        event: header(request, 'Event') ?? '',
        expiresS: askedExpires(request),
        headers,
        ...body,
      },
      {
        onAccept: (_response, expiresS) => this.#accept(expiresS),
        onNotify: (notify) => this.#onNotify(notify),
        onEnd: (reason) => this.#onUpstreamEnd(reason),
      },
    )
    this.#stopWaiting = environment.schedule(environment.nowMs() + RELAY_ANSWER_MS, () =>
      this.#onUpstreamEnd('timeout'),
    )
  }

  /** The flow that the subscriber is reached by. */
  get flow(): Flow {
    return this.#flow
  }

  /** The flow that the notifier is reached by. */
  get notifierFlow(): Flow | undefined {
    return this.#options.plan.targets[0]?.flow
  }

  /** The notifier's WebSocket is gone, and what it knew with it. */
  notifierGone(): void {
    this.#onUpstreamEnd('transport')
  }

  /** The subscriber's WebSocket is gone: the notifier is told after a while, unless `resume` comes first. */
  suspend(): void {
    const { environment } = this.#options
    this.#stopGrace()
    this.#stopGrace = environment.schedule(environment.nowMs() + GRACE_MS, () => this.close())
  }

  /** The subscriber's device is back on another flow. */
  resume(flow: Flow): void {
    this.#stopGrace()
    this.#flow = flow
    this.#notifier?.useFlow(flow)
    // What changed meanwhile was refused: a refresh makes the notifier say how things are (RFC 6665 §4.2.1.2).
    if (!this.#isOver) this.#upstream.refresh({ expiresS: MAX_RELAYED_EXPIRES_S }, () => {})
  }

  /** Ends both sides; the subscriber is told, if it can be. */
  close(): void {
    if (this.#isOver) return
    if (this.#notifier === undefined) this.#subscribe.reject(503)
    else if (this.#flow.isOpen) this.#notifier.notify({ state: LOST })
    this.#end()
  }

  #accept(expiresS: number): void {
    if (this.#isOver || this.#notifier !== undefined) return
    this.#stopWaiting()
    this.#notifier = this.#subscribe.accept(
      { expiresS },
      {
        onRefresh: (refresh) => this.#onRefresh(refresh),
        onEnd: () => this.#end(),
      },
    )
    // Too late for the subscriber.
    if (this.#notifier === undefined) this.#end()
  }

  #onNotify(notify: IncomingRequest): void {
    if (this.#isOver) {
      notify.respond(481)
      return
    }
    const { request } = notify
    const { expiresS } = subscriptionState(request)
    this.#accept(Math.min(expiresS ?? Infinity, askedExpires(this.#subscribe.request)))
    const notifier = this.#notifier
    if (notifier === undefined) {
      notify.respond(481)
      return
    }
    if (!this.#flow.isOpen || this.#pendingNotify >= MAX_PENDING_NOTIFY) {
      notify.respond(503, { headers: [{ name: 'Retry-After', value: String(GRACE_MS / 1_000) }] })
      return
    }
    try {
      this.#passNotify(notifier, notify)
    } catch (error) {
      const verdict = this.#refused('NOTIFY', error)
      notify.respond(verdict.status, { headers: refusalHeaders(verdict) })
    }
  }

  #asked(request: SipRequest): readonly Header[] {
    const { sender, passHeaders } = this.#options.plan
    return relayedHeaders('SUBSCRIBE', request, sender, passHeaders.there)
  }

  /** What the subscriber sees of an answer of the notifier. */
  #answered(response: SipResponse): readonly Header[] {
    const { name, passHeaders } = this.#options.plan
    return answeredHeaders(response, name, passHeaders.back)
  }

  #passNotify(notifier: Notifier, { request, respond }: IncomingRequest): void {
    const { name, sender, passHeaders } = this.#options.plan
    const headers = relayedHeaders('NOTIFY', request, name, passHeaders.back)
    const body = relayedBody(request)
    const state = header(request, 'Subscription-State') ?? 'active'
    this.#pendingNotify += 1
    notifier.notify({ state, headers, ...body }, (response) => {
      this.#pendingNotify -= 1
      if (typeof response === 'string') respond(481)
      else respond(response.status, { headers: answeredHeaders(response, sender, passHeaders.there) })
    })
  }

  #onRefresh(refresh: IncomingRefresh): void {
    try {
      const { request } = refresh
      const asked = askedExpires(request)
      const options = {
        expiresS: asked,
        headers: this.#asked(request),
        ...relayedBody(request),
      }
      this.#upstream.refresh(options, (response) => this.#onRefreshed(refresh, asked, response))
    } catch (error) {
      const verdict = this.#refused('SUBSCRIBE', error)
      refresh.reject(verdict.status, { headers: refusalHeaders(verdict) })
    }
  }

  #onRefreshed(refresh: IncomingRefresh, asked: number, response: SipResponse | NoAnswer): void {
    if (typeof response === 'object' && response.status < 300) {
      refresh.accept({ expiresS: Math.min(seconds(response, 'Expires') ?? asked, asked) })
      return
    }
    const verdict = this.#refused('SUBSCRIBE', failureOf(response, this.#options.plan.isTrunk))
    const passed = typeof response === 'string' ? [] : this.#answered(response)
    refresh.reject(verdict.status, { headers: [...passed, ...refusalHeaders(verdict)] })
  }

  #onUpstreamEnd(reason: SubscriptionEnd): void {
    if (this.#isOver) return
    if (this.#notifier === undefined) {
      const isKnown = typeof reason === 'object' || reason === 'transport' || reason === 'overload'
      const outcome = isKnown ? reason : 'timeout'
      const { plan } = this.#options
      const failure = plan.failureOf?.(outcome) ?? failureOf(outcome, plan.isTrunk)
      const verdict = this.#refused('SUBSCRIBE', failure)
      const passed = typeof outcome === 'string' ? [] : this.#answered(outcome)
      const headers = [...passed, ...failure.headers, ...refusalHeaders(verdict)]
      this.#subscribe.reject(verdict.status, { headers })
    } else if (this.#notifier.isOpen && this.#flow.isOpen) {
      this.#notifier.notify({ state: LOST })
    }
    this.#end()
  }

  #refused(method: string, error: unknown): Verdict {
    const verdict = verdictOf(error)
    const { callId } = this.#subscribe.request
    const { refusals, plan } = this.#options
    // NOTIFY is the other's.
    const party = method === 'NOTIFY' ? plan.name : plan.sender
    refusals.tell('request refused', { verdict, error, fields: { callId, method }, party })
    return verdict
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#stopWaiting()
    this.#stopGrace()
    this.#notifier?.close()
    this.#upstream.unsubscribe()
    this.#options.onEnded(this)
  }
}
