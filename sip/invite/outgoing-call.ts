import { credentialsIn, type DigestAttempt } from '../authentication/digest-client.ts'
import { Dialog } from '../dialog/dialog.ts'
import { DialogRequests } from '../dialog/dialog-requests.ts'
import type { FlowUse } from '../dialog/flow-uses.ts'
import { demanded, proposal } from '../dialog/session-terms.ts'
import type { Stack } from '../dialog/stack.ts'
import type { Flow } from '../flow.ts'
import { encoded } from '../message/encoded.ts'
import type { Header, SipRequest, SipResponse, Uri } from '../message/message.ts'
import { fromTag, hasBody, toTag } from '../message/request-checks.ts'
import { areEqualUris } from '../message/uri.ts'
import { cancellation } from '../transaction/acknowledgement.ts'
import type { ClientExchange } from '../transaction/client-exchange.ts'
import type { ServerExchange } from '../transaction/server-exchange.ts'
import { TRANSACTION_LIFETIME_MS } from '../transaction/timers.ts'
import type {
  DialogHandler,
  NoAnswer,
  OutgoingInvite,
  OutgoingInviteHandler,
} from '../user-agent-contract.ts'
import { ConfirmedDialog } from './confirmed-dialog.ts'
import { EarlyDialog, RETRY_LATER } from './early-dialog.ts'
import { Farewell, RECONNECT_MS } from './farewell.ts'
import { askLostCallee } from './lost-callee.ts'
import { offerStateAfterAnswer } from './offer-answer.ts'

/** Each hop on the way may ask for more; nobody asks often. */
const MAX_SESSION_RETRIES = 2

export interface OutgoingCallOptions {
  readonly stack: Stack
  readonly flow: Flow
  readonly firstCseq: number
  readonly party: string | undefined
  /** See `OutgoingInviteOptions`. */
  readonly isUrgent: boolean
  /** The INVITE with this CSeq number, session interval and credentials; the same in all else. */
  readonly compose: (cseq: number, more: readonly Header[]) => SipRequest
  /** It goes on by another flow than the one it was found by. */
  readonly onMoved: (from: Flow) => void
  readonly handler: OutgoingInviteHandler
  readonly dialogHandler: DialogHandler
  /** It was accepted or rejected, once; what still comes of its forks is ended inside. Called before the handler. */
  readonly onDecided: () => void
}

/** A 2xx that makes a dialog nobody wants is answered ACK and BYE; it may come again. */
interface Fork {
  repeatAck(): void
}

/** An INVITE of ours with all its answers: forks, CANCEL and the races between them (RFC 3261 §9.1, §13.2). */
export class OutgoingCall implements OutgoingInvite, FlowUse {
  readonly callId: string
  readonly localTag: string
  readonly party: string | undefined
  readonly isTalking = false
  readonly outlivesFlow = false
  readonly #options: OutgoingCallOptions
  #flow: Flow
  #request: SipRequest
  /** Session interval asked for, in seconds; 422 makes it longer. */
  #intervalS: number
  #exchange: ClientExchange | undefined
  /** By To tag of provisional responses. */
  readonly #early = new Map<string, EarlyDialog>()
  /** By To tag of a 2xx. */
  readonly #forks = new Map<string, Fork>()
  readonly #digest: DigestAttempt | undefined
  #sessionRetries = 0
  #isDecided = false
  /** A provisional response came and no final one: RFC 3261 §9.1 allows CANCEL only then. */
  #isProceeding = false
  #cancel: SipRequest | undefined
  #isCancelSent = false
  #stopWaiting: (() => void) | undefined
  /** The connection was lost while it rang, and it is not known yet whether it still does. */
  #stopAsking: (() => void) | undefined

  constructor(options: OutgoingCallOptions) {
    this.#options = options
    this.party = options.party
    this.#flow = options.flow
    this.#intervalS = options.stack.sessionWish(options.flow).expiresS
    this.#request = options.compose(options.firstCseq, proposal(this.#intervalS, 0))
    this.#digest = options.stack.digestAttempt(options.flow, this.#request)
    this.callId = this.#request.callId
    this.localTag = fromTag(this.#request)
  }

  get flow(): Flow {
    return this.#flow
  }

  /** The one that the INVITE took, another when it was too large for that: the rest of the call takes it too. */
  get #way(): Flow {
    return this.#flow.transport === 'udp' ? (this.#exchange?.flow ?? this.#flow) : this.#flow
  }

  start(): void {
    const { stack } = this.#options
    const request = this.#request
    if (this.party !== undefined) stack.uses.add(this.#flow, this)
    this.#exchange = stack.transactions.send(request, this.#flow, {
      onResponse: (response) => this.#onResponse(response),
      onFailed: (reason) => {
        if (!this.#isDecided) this.#reject(reason)
      },
      onEnd: () => {
        // One that was refused 422 lingers beside its successor.
        if (request !== this.#request) return
        this.#stopWaiting?.()
        stack.uses.remove(this.#flow, this)
      },
      onReplaced: (exchange) => {
        this.#exchange = exchange
      },
      onFlowLost: () => this.#mayBeAnsweredLater(),
    })
  }

  /**
   * Its connection is gone. One that rings is answered by the peer's next connection, where there can be one (RFC 3261 §18.2.2):
   * if the peer still knows it.
   */
  #mayBeAnsweredLater(): boolean {
    if (this.party !== undefined || this.#isCancelSent || this.#stopAsking !== undefined) return true
    if (this.#early.size === 0 || this.#exchange?.flow.isOpen !== true) return false
    if (!this.#isDecided) this.#askCallee()
    return true
  }

  #askCallee(): void {
    const { stack, isUrgent } = this.#options
    this.#stopAsking = askLostCallee({
      clock: stack.clock,
      dialogs: this.#early.values(),
      isUrgent,
      onKnown: () => this.#endAsking(),
      onForgotten: () => {
        this.#endAsking()
        this.#exchange?.fail()
      },
    })
  }

  #endAsking(): void {
    this.#stopAsking?.()
    this.#stopAsking = undefined
  }

  /**
   * The callee's device is back. A phone that rings knows the INVITE by its branch, and answers it here; one that has another
   * address now was started anew, and would answer 404.
   */
  useFlow(flow: Flow, contact: Uri | undefined): void {
    const { stack, onMoved } = this.#options
    if (!this.#isDecided && contact !== undefined && !areEqualUris(contact, this.#request.uri)) {
      this.#exchange?.fail()
      return
    }
    const from = this.#flow
    stack.uses.remove(from, this)
    stack.uses.add(flow, this)
    this.#flow = flow
    onMoved(from)
    if (this.#exchange !== undefined) {
      stack.transactions.moveClient(this.#exchange, flow)
      this.#exchange.repeat()
    }
    if (this.#cancel !== undefined && this.#isCancelSent && this.#exchange?.isUnanswered === true) {
      this.#isCancelSent = false
      this.#sendCancel(this.#cancel)
    }
  }

  forsake(): void {
    this.#exchange?.fail()
  }

  cancel(headers: readonly Header[] = []): void {
    if (this.#isDecided || this.#cancel !== undefined) return
    const cancel = cancellation(this.#request, headers)
    encoded(cancel)
    this.#cancel = cancel
    if (this.#isProceeding) this.#sendCancel(cancel)
  }

  /** A request of a callee that has not answered yet. It may have overtaken the response that makes its early dialog. */
  onEarlyRequest(request: SipRequest, exchange: ServerExchange): void {
    const early = this.#early.get(fromTag(request))
    if (early === undefined) exchange.respond(500, { headers: RETRY_LATER })
    else early.onRequest(request, exchange)
  }

  #onResponse(response: SipResponse): void {
    if (response.status < 200) this.#onProvisional(response)
    else if (response.status < 300) this.#onSuccess(response)
    else if (!this.#isDecided && !this.#askAgain(response)) this.#reject(response)
  }

  /** The same INVITE with what the peer asks for: a session interval (RFC 4028 §7.3), or credentials. */
  #askAgain(response: SipResponse): boolean {
    if (this.#cancel !== undefined) return false
    const intervalS = demanded(response, this.#intervalS)
    if (intervalS !== undefined && this.#sessionRetries < MAX_SESSION_RETRIES) {
      this.#sessionRetries += 1
      this.#intervalS = intervalS
    } else if (this.#digest?.take(response) !== true) return false
    const { cseq, uri } = this.#request
    const minSeS = this.#sessionRetries === 0 ? 0 : this.#intervalS
    this.#request = this.#options.compose(cseq.number + 1, [
      ...proposal(this.#intervalS, minSeS),
      ...(this.#digest?.headers('INVITE', uri.text) ?? []),
    ])
    this.#isProceeding = false
    this.#endAsking()
    this.#early.clear()
    this.start()
    return true
  }

  #onProvisional(response: SipResponse): void {
    this.#isProceeding = true
    if (this.#cancel !== undefined) {
      this.#sendCancel(this.#cancel)
      return
    }
    const { stack, handler } = this.#options
    if (response.status === 100) {
      stack.guard(() => handler.onTrying?.(), undefined)
      return
    }
    const early = this.#earlyDialog(response)
    if (early?.take(response) === true) stack.guard(() => handler.onProgress(response), undefined)
  }

  /** Undefined when there are too many. */
  #earlyDialog(response: SipResponse): EarlyDialog | undefined {
    const { stack, dialogHandler } = this.#options
    const tag = toTag(response)
    const known = this.#early.get(tag)
    if (known !== undefined) return known
    if (this.#early.size >= stack.limits.maxForks) {
      stack.count('too-many-forks')
      return undefined
    }
    const dialog = Dialog.ofResponse(this.#request, response)
    const made = new EarlyDialog(stack, () => this.#way, dialog, this.#request.cseq.number, dialogHandler)
    this.#early.set(tag, made)
    return made
  }

  #onSuccess(response: SipResponse): void {
    const tag = toTag(response)
    const known = this.#forks.get(tag)
    if (known !== undefined) {
      known.repeatAck()
      return
    }
    if (!this.#isDecided && this.#cancel === undefined) {
      this.#accept(tag, response)
      return
    }
    const { stack } = this.#options
    if (this.#forks.size > stack.limits.maxForks) {
      stack.count('too-many-forks')
      return
    }
    this.#forks.set(tag, this.#endFork(tag, response))
    if (!this.#isDecided) this.#reject(response)
  }

  #accept(tag: string, response: SipResponse): void {
    const { stack, handler, dialogHandler } = this.#options
    const dialog = new ConfirmedDialog({
      stack,
      dialog: this.#dialogOf(tag, response),
      flow: this.#way,
      party: this.party,
      handler: dialogHandler,
      offerState: offerStateAfterAnswer('uac', hasBody(this.#request)),
      made: response,
      inviteCseq: this.#request.cseq.number,
      inviteCredentials: credentialsIn(this.#request),
    })
    this.#forks.set(tag, dialog)
    dialog.openSession(response)
    this.#decide()
    if (!stack.guard(() => handler.onAccept(response, dialog), undefined)) dialog.bye()
  }

  /** RFC 3261 §13.2.2.4: a dialog nobody asked for is acknowledged and ended. It never enters the table. */
  #endFork(tag: string, response: SipResponse): Fork {
    const { stack } = this.#options
    const requests = new DialogRequests(stack, this.#dialogOf(tag, response), () => this.#way)
    const ack = requests.acknowledge(this.#request.cseq.number, { headers: credentialsIn(this.#request) })
    new Farewell(stack.clock, requests).send(requests.compose('BYE'))
    return { repeatAck: () => requests.sendAck(ack) }
  }

  #dialogOf(tag: string, response: SipResponse): Dialog {
    return Dialog.ofResponse(this.#request, response, this.#early.get(tag)?.dialog)
  }

  #reject(outcome: SipResponse | NoAnswer): void {
    this.#decide()
    const { stack, handler } = this.#options
    stack.guard(() => handler.onReject(outcome), undefined)
  }

  #decide(): void {
    this.#isDecided = true
    this.#stopWaiting?.()
    this.#endAsking()
    this.#options.onDecided()
  }

  #sendCancel(cancel: SipRequest): void {
    if (this.#isCancelSent) return
    this.#isCancelSent = true
    this.#endAsking()
    const { stack } = this.#options
    const { clock } = stack
    stack.transactions.send(cancel, this.#flow, {
      onResponse: () => {},
      onFailed: (reason) => {
        if (reason === 'transport' && this.party === undefined) this.#cancelAgain(cancel)
      },
    })
    // RFC 3261 §9.1: an old peer answers CANCEL and leaves the INVITE as it is.
    this.#stopWaiting ??= clock.schedule(clock.nowMs() + TRANSACTION_LIFETIME_MS, () => {
      this.#exchange?.abandon()
    })
  }

  /** There is no connection to the peer now, and its phone rings on. */
  #cancelAgain(cancel: SipRequest): void {
    const { clock } = this.#options.stack
    clock.schedule(clock.nowMs() + RECONNECT_MS, () => {
      this.#isCancelSent = false
      if (this.#exchange?.isUnanswered === true) this.#sendCancel(cancel)
    })
  }
}
