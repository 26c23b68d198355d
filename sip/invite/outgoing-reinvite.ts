import { strict as assert } from 'node:assert'
import { credentialsIn } from '../authentication/digest-client.ts'
import type { DialogRequests } from '../dialog/dialog-requests.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { buildResponse } from '../message/build.ts'
import type { Header, SipRequest, SipResponse } from '../message/message.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'
import type { Body, NoAnswer, ReinviteOutcome } from '../user-agent-contract.ts'
import type { OfferExchange } from './offer-exchange.ts'
import type { SessionRefresh } from './session-refresh.ts'

export interface ReinviteOptions {
  readonly headers?: readonly Header[]
  /** The offer, or what makes it when it is really sent. */
  readonly body: Body | (() => Body)
}

/** What the dialog that re-INVITEs are sent in knows of its peer. */
export interface ReinviteOwner {
  /** The peer could not take it yet: `resume` follows when it can. */
  readonly mustWait: boolean
  /** The peer's flow is lost and may be replaced. */
  readonly isAway: boolean
  readonly isTalking: boolean
  /** Answers a request that must not be sent now, as the peer would. */
  refuseLocally(request: () => SipRequest, isOffer: true, done: (outcome: ReinviteOutcome) => void): boolean
  /** A 2xx to a request of ours that changes the dialog. */
  refreshed(response: SipResponse): void
}

export interface OutgoingReinvitesOptions {
  readonly stack: Stack
  readonly requests: DialogRequests
  readonly offers: OfferExchange
  readonly session: SessionRefresh
  readonly owner: ReinviteOwner
}

/** A re-INVITE whose transaction goes on. */
interface Sent {
  request: SipRequest
  /** Of its 2xx. */
  ack: SipRequest | undefined
  /** Leaves its offer, if there is no answer yet, to the next one, by the flow that the peer is back by. */
  readonly leave: () => void
}

/**
 * Re-INVITEs of ours in one dialog (RFC 3261 §14.1), with an offer each, one at a time. One whose connection is lost is given up,
 * but its peer may have taken it: a 2xx that comes by another connection has its ACK all the same. Without it the peer would
 * refuse every later offer, and then end the call.
 */
export class OutgoingReinvites {
  readonly #options: OutgoingReinvitesOptions
  readonly #sent = new Set<Sent>()
  #isOpen = false
  #deferred: (() => void) | undefined

  constructor(options: OutgoingReinvitesOptions) {
    this.#options = options
  }

  /** One has no final response. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** One is under way or will be. */
  get isBusy(): boolean {
    return this.#isOpen || this.#deferred !== undefined
  }

  start(options: ReinviteOptions, done: (outcome: ReinviteOutcome) => void): void {
    assert(!this.#isOpen, 'one re-INVITE at a time')
    if (this.#options.owner.mustWait) this.#defer(options, done)
    else this.#send(options, done)
  }

  /** The peer can take now what was put off; when the dialog has ended, its caller is told so. */
  resume(): void {
    const deferred = this.#deferred
    this.#deferred = undefined
    deferred?.()
  }

  /** The peer is back by another flow. What was lost is not sent again: what it offers comes first, and then what we wish now. */
  useFlow(from: Flow, to: Flow): void {
    const { stack, requests } = this.#options
    for (const { request, ack, leave } of this.#sent) {
      const exchange = stack.transactions.findClient(request, from)
      if (exchange !== undefined) stack.transactions.moveClient(exchange, to)
      if (ack !== undefined) requests.sendAck(ack)
      leave()
    }
  }

  #defer(options: ReinviteOptions, done: (outcome: ReinviteOutcome) => void): void {
    const { stack, requests } = this.#options
    if (this.#deferred !== undefined) {
      const busy = buildResponse(requests.compose('INVITE'), 491)
      stack.clock.soon(() => stack.guard(() => done(busy), undefined))
      return
    }
    this.#deferred = () => stack.guard(() => this.start(options, done), undefined)
  }

  #send(options: ReinviteOptions, done: (outcome: ReinviteOutcome) => void, isRepeated = false): void {
    const { stack, requests, offers, session, owner } = this.#options
    const { clock } = stack
    if (owner.refuseLocally(() => requests.compose('INVITE'), true, done)) return
    const body = typeof options.body === 'function' ? options.body() : options.body
    const headers = [...(options.headers ?? []), ...session.proposal()]
    const request = requests.compose('INVITE', { headers, body })
    this.#isOpen = true
    offers.move('send-offer')
    let isPending = true
    let hasProgress = false
    let isCancelled = false
    let stopWaiting = (): void => {}
    const close = (event: 'receive-answer' | 'offer-failed'): void => {
      isPending = false
      this.#isOpen = false
      offers.move(event)
    }
    const finish = (outcome: ReinviteOutcome, isAccepted: boolean): void => {
      close(isAccepted ? 'receive-answer' : 'offer-failed')
      if (!isAccepted) session.onFailure(outcome)
      stack.guard(() => done(outcome), undefined)
    }
    const giveUp = (reason: NoAnswer, comesBack: boolean): void => {
      if (!isPending) return
      if (!comesBack || !owner.isTalking) finish(reason, false)
      else {
        // An offer again when the peer is back.
        close('offer-failed')
        this.#defer(options, done)
      }
    }
    const sent: Sent = { request, ack: undefined, leave: () => giveUp('transport', true) }
    this.#sent.add(sent)
    const accept = (response: SipResponse): void => {
      owner.refreshed(response)
      const { number } = sent.request.cseq
      sent.ack = requests.acknowledge(number, { headers: credentialsIn(sent.request) })
      if (isPending) finish(response, true)
    }
    const exchange = requests.send(request, {
      onAgain: (next) => {
        sent.request = next
        hasProgress = false
        isCancelled = false
        this.#sent.add(sent)
      },
      onResponse: (response) => {
        if (response.status < 200) {
          hasProgress = true
          return
        }
        stopWaiting()
        if (response.status < 300) {
          if (sent.ack === undefined) accept(response)
          else requests.sendAck(sent.ack)
        } else if (isPending) {
          // RFC 4028 §7.4: with the interval that the peer asks for.
          if (!isRepeated && session.onTooBrief(response)) {
            close('offer-failed')
            this.#send({ ...options, body }, done, true)
          } else finish(isCancelled && response.status === 487 ? 'cancelled' : response, false)
        }
      },
      onFailed: (reason) => {
        stopWaiting()
        giveUp(reason, reason !== 'timeout' && owner.isAway)
      },
      onFlowLost: () => {
        giveUp('transport', owner.isAway)
        return true
      },
      onEnd: () => this.#sent.delete(sent),
    })
    const after = (step: () => void): (() => void) =>
      clock.schedule(clock.nowMs() + TRANSACTION_LIFETIME_MS, step)
    // The protocol has no end for an INVITE that got a 1xx; inside a call nobody waits longer than this. Who has said that is not
    // gone: it is asked to give the offer up, and both go on with what held before.
    if (isPending) {
      stopWaiting = after(() => {
        if (!(isPending && hasProgress && owner.isTalking)) {
          exchange.abandon()
          return
        }
        isCancelled = true
        requests.cancel(sent.request)
        stopWaiting = after(() => exchange.abandon())
      })
    }
  }
}
