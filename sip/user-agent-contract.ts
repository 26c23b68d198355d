import type { ClientCredentials } from './authentication/digest-client.ts'
import type { Flow, SocketAddress } from './flow.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri } from './message/message.ts'

/** Time and chance, injected: real ones in the daemon, virtual ones in tests. */
export interface SipEnvironment {
  nowMs(): number
  /** Calls `callback` once at or after `atMs`; returns how to cancel it. */
  schedule(atMs: number, callback: () => void): () => void
  /** At least 128 random bits in hex. */
  token(): string
}

export interface Body {
  readonly contentType: string
  readonly bytes: Uint8Array
}

export interface ResponseOptions {
  readonly reason?: string
  readonly headers?: readonly Header[]
  readonly body?: Body
  /**
   * Of a final response to somebody who has proven nothing: sent once, and the request forgotten (RFC 3261 §8.2.7). Over UDP
   * the source may be forged, and repetitions until an ACK would go to whoever is there. Also of one that a copy of the request
   * may get again, which need not hold a place. Not for a 2xx to INVITE.
   */
  readonly isOnce?: boolean
}

export interface UserAgentHandler {
  /** A new INVITE outside a dialog. The handler answers through `invite`, now or later; when it has said nothing yet, 100 is sent. */
  onInvite(invite: IncomingInvite): void
  /** A SUBSCRIBE outside a dialog. Without this handler it goes to `onRequest`. */
  onSubscribe?(subscribe: IncomingSubscribe): void
  /** Any other request outside a dialog (REGISTER, OPTIONS, MESSAGE, NOTIFY...). */
  onRequest(request: IncomingRequest): void
  /** A request for the dialog of a party by a flow that is not its own. Without this handler it is answered 481. */
  onForeign?(foreign: ForeignRequest): void
  /** An exception of a handler, already contained (the transaction was answered 500). For the log. */
  onError(error: unknown, request: SipRequest | undefined): void
}

/** A request outside INVITE that waits for its one final response. */
export interface IncomingRequest {
  readonly request: SipRequest
  readonly flow: Flow
  respond(status: number, options?: ResponseOptions): void
}

/** A request inside a dialog that came by another connection than the dialog's: its party has come back, or somebody else asks. */
export interface ForeignRequest extends IncomingRequest {
  /** Whose dialog it is. */
  readonly party: string
  /** The flow that the dialog is on. */
  readonly home: Flow
  /** After `rehome`: the request is handled as any in the dialog. */
  resume(): void
}

export interface IncomingInviteHandler {
  /** CANCEL came in time; 200 and 487 have been sent. */
  onCancel(cancel: SipRequest): void
  /** A reliable provisional response got no PRACK for 64*T1; the INVITE has been answered 504. */
  onPrackTimeout?(): void
  /** The caller's connection is lost and nobody came back who knows the INVITE; it has been answered 487. */
  onLost?(): void
}

export interface ProgressOptions extends ResponseOptions {
  /** Sent with 100rel where the caller can do it; else, and for an INVITE without an offer, as any other. */
  readonly reliable?: boolean
}

export interface IncomingInvite {
  readonly request: SipRequest
  readonly flow: Flow
  /** Set by the owner before control returns to the stack. */
  handler: IncomingInviteHandler | undefined
  /** Set once, when it is known who calls and that they may come back by another connection: see `UserAgent.rehome`. */
  party: string | undefined
  /**
   * `Flow.peer` of the dialog. Set once, when it is known which of the trunks at the other end calls: what we send in the
   * dialog is for that one, and signed by our account there.
   */
  peer: string | undefined
  /** The caller can acknowledge provisional responses (RFC 3262). */
  readonly supports100rel: boolean
  /** The caller insists: every 18x is reliable, asked for or not. */
  readonly requires100rel: boolean
  /**
   * 101..199. Creates the early dialog (To tag, Contact). Ignored after a final response. Of reliable ones the next is sent
   * when the one before has its PRACK. To an INVITE that requires 100rel and makes no offer nothing is sent: its first
   * reliable response would have to carry ours (RFC 3261 §13.2.1), and that is the 200's.
   */
  progress(status: number, options?: ProgressOptions): void
  /**
   * 200 with the body; retransmitted until ACK. Returns the confirmed dialog. Asserts when already answered. It waits for the
   * PRACK of a reliable response with a body (RFC 3262 §3); a CANCEL or a missing PRACK meanwhile is `onEnd` of the dialog.
   */
  accept(options: ResponseOptions, handler: DialogHandler): InviteDialog
  /** 300..699. Ignored after a final response or CANCEL. */
  reject(status: number, options?: ResponseOptions): void
}

/**
 * Why a request of ours has no answer. `too-large`: a timeout without any response, of a request so large that UDP may never
 * have brought it there. `overload`: a table of ours was full and nothing was sent, which says nothing about the peer.
 */
export type NoAnswer = 'timeout' | 'transport' | 'too-large' | 'overload'

/** Of a re-INVITE of ours. `cancelled`: the peer said 1xx and nothing else for 64*T1, and gave the offer up when it was asked to. */
export type ReinviteOutcome = SipResponse | NoAnswer | 'cancelled'

export interface OutgoingInviteHandler {
  /** 100: the next hop has the request. Perhaps more than once. */
  onTrying?(): void
  /** Each provisional response except 100; reliable ones are acknowledged inside, in order, and passed on once. */
  onProgress(response: SipResponse): void
  /** First 2xx: the dialog is confirmed; ACK is sent when `dialog.acknowledge()` is called. Later forks are ended inside. */
  onAccept(response: SipResponse, dialog: InviteDialog): void
  /** Final failure, or no answer at all. */
  onReject(response: SipResponse | NoAnswer): void
}

export interface RequestNumbers {
  readonly callId: string
  readonly cseq: number
}

export interface OutgoingInviteOptions {
  readonly flow: Flow
  /**
   * Who is called, when they may come back by another connection: see `UserAgent.rehome`. Without it a lost connection
   * is 'transport', but for a call that rings where the peer can be connected to again: it is asked whether it still knows it.
   */
  readonly party?: string
  readonly uri: Uri
  readonly from: NameAddr
  readonly to: NameAddr
  readonly route?: readonly string[]
  /** Of the first request, for one that goes on with what a request before it began (RFC 3261 §22.2); else fresh ones. */
  readonly numbers?: RequestNumbers
  readonly headers?: readonly Header[]
  /**
   * 0 to 255, 70 unless given. One less than in the request that made us call, or calls that go round between gateways never
   * end (RFC 7332). An INVITE that comes with 0 is refused 483 before it reaches a handler.
   */
  readonly maxForwards?: number
  readonly body?: Body
  /** Of an INVITE: it may have the last places in our tables, see `UserAgentLimits.reserved`, and `Flow.insist`. */
  readonly isUrgent?: boolean
  /** To let a call leg keep its own DialogHandler from the moment the 2xx arrives. */
  readonly dialogHandler: DialogHandler
}

export interface OutgoingInvite {
  readonly callId: string
  /**
   * CANCELs as soon as the protocol allows (after the first provisional). A 200 that crosses it is acknowledged and ended
   * inside and reported as `onReject(response 200 or 487)`.
   */
  cancel(headers?: readonly Header[]): void
}

/**
 * Why a dialog ended: 'bye', or CANCEL in time; 'ack-timeout', the peer acknowledged neither the 2xx nor the reliable 1xx
 * that the 2xx had to wait for; 'session-expired', nobody refreshed the session in time or the peer no longer knows it;
 * 'refresh-challenged', the same because the peer wants credentials for a refresh and we have none; 'forgotten', who came
 * back by another connection does not know the dialog; 'flow-lost', nobody came back.
 */
export type EndReason =
  | 'bye'
  | 'ack-timeout'
  | 'session-expired'
  | 'refresh-challenged'
  | 'forgotten'
  | 'flow-lost'

export interface DialogHandler {
  /** Called once, unless `bye()` was. What the peer still has to be told has been sent. */
  onEnd(reason: EndReason, request: SipRequest | undefined): void
  /** ACK of the initial INVITE's 2xx (its body is the answer in a delayed offer). */
  onAck(ack: SipRequest): void
  /** re-INVITE or UPDATE with an offer; answer through it, now or later. Glare (491) is handled inside. */
  onReinvite(reinvite: IncomingReinvite): void
  /**
   * UPDATE with an offer of a callee that has answered ours by a reliable response and not accepted the INVITE: as `onReinvite`.
   * False, or without it: not now, and the callee is told to try again.
   */
  onEarlyOffer?(reinvite: IncomingReinvite): boolean
  /**
   * The session must be refreshed and the peer takes no UPDATE: send a re-INVITE that offers what holds already; not needed
   * while one is under way. Called again until a re-INVITE succeeds or the session expires.
   */
  onRefreshDue(): void
  /** UPDATE without an offer has been answered: who the peer says it is may be new (RFC 4916). */
  onRefreshed?(request: SipRequest): void
  /** Any other request inside the dialog (INFO, MESSAGE, NOTIFY, REFER, OPTIONS...). UPDATE without a body is answered inside. */
  onRequest(request: IncomingRequest): void
  /**
   * Asked when the connection has been lost for long: true, and neither `forsake` of what is 'not-vital' ends the dialog nor that
   * its peer, being away, does not refresh the session.
   */
  outlivesFlow?(): boolean
}

export interface IncomingReinvite {
  readonly request: SipRequest
  /**
   * 200; of a re-INVITE repeated until ACK, which `onAck` is given (its body is the answer when the re-INVITE had no offer).
   * False, and nothing is sent, when CANCEL or the end of the dialog was first.
   */
  accept(options: ResponseOptions, onAck?: (ack: SipRequest) => void): boolean
  /** 300..699. Ignored when it is too late. */
  reject(status: number, options?: ResponseOptions): void
}

export interface InviteDialog {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  readonly state: 'confirmed' | 'ended'
  /** UAC: sends (and from then on repeats, for each repeated 2xx) the ACK. */
  acknowledge(body?: Body): void
  /** Sends BYE; if we are the UAS and ACK has not come, as soon as it comes or its timer ends (RFC 3261 §15). May be called twice. */
  bye(headers?: readonly Header[]): void
  /**
   * Sends re-INVITE with an offer, which a function makes when it is really sent; ACK for its 2xx is automatic. One at a time:
   * asserts otherwise, and one past the one that waits is answered 491. As UAS
   * before ACK it waits for the ACK, and behind a 2xx that was said anew to who is back for two seconds at most. A 481 or 491 is made here when the dialog has ended or the peer's offer is open. After
   * 408, 481 or 'timeout' (unless `probe`) the dialog is of no use: call `bye()`. 'transport' says that there is no connection
   * now. A 487 is the peer's own: see `ReinviteOutcome`. The headers of the session timer are added, and one 422 is absorbed.
   */
  reinvite(
    options: { readonly headers?: readonly Header[]; readonly body: Body | (() => Body) },
    done: (outcome: ReinviteOutcome) => void,
  ): void
  request(
    method: string,
    options: { readonly headers?: readonly Header[]; readonly body?: Body },
    done: (response: SipResponse | NoAnswer) => void,
  ): void
  /** The peer takes UPDATE (RFC 3311). */
  readonly takesUpdate: boolean
  /** Our requests name us so from now on, where the peer knows that this may be (RFC 4916, `from-change`); else nothing happens. */
  rename(address: NameAddr): void
  /** The connection is lost, and its party may come back by another one; what is to be sent waits for that. */
  readonly isAway: boolean
  /**
   * The party has not answered in time: has its connection show within this time that it lives, or cuts it. False where that
   * cannot be asked, or nobody would come back by another one.
   */
  probe(withinMs: number): boolean
}

export interface UserAgentOptions {
  readonly environment: SipEnvironment
  readonly handler: UserAgentHandler
  /** `Server`/`User-Agent` value. */
  readonly product: string
  /** Via sent-by and Contact host:port for a flow, as the peer must see them. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
  readonly limits: UserAgentLimits
  /**
   * The account we have with the peer behind a flow, where it may depend on who sends the request; the same object for the same
   * account. Given, its challenges (401, 407) to any request but CANCEL and ACK are answered inside; only a challenge that
   * cannot be answered is a response for the caller.
   */
  readonly credentialsFor?: (flow: Flow, request: SipRequest) => ClientCredentials | undefined
  /**
   * Another way to the peer behind a UDP flow, where one of its own is at this address; undefined: there is none, or `flow` is
   * better. Without it requests in a dialog go by the flow it began on.
   */
  readonly flowTowards?: (flow: Flow, hop: SocketAddress) => Flow | undefined
  /**
   * The way to this port of the address behind a UDP flow, where the peer is known to listen there, and not where it sends from.
   * Without it answers, and requests in a dialog, go to where the request came from.
   */
  readonly flowToListener?: (flow: Flow, port: number) => Flow | undefined
  /** 1800 s and 90 s unless given. */
  readonly sessionTimer?: SessionTimerOptions
}

/** RFC 4028: how dialogs notice that their peer is gone. */
export interface SessionTimerOptions {
  /** What we ask a peer for, and the most that it is granted: at least 90. */
  readonly expiresOf: (flow: Flow) => number
  /** The shortest interval that is taken from a peer, at least 90; a shorter one is answered 422. */
  readonly minSeOf: (flow: Flow) => number
}

export interface UserAgentLimits {
  readonly maxServerTransactions: number
  /**
   * Of one flow scope; three quarters unless given, so that a flood from one trunk leaves room for the others. A WebSocket has
   * 256 at most. Of either number an eighth is for INVITEs alone.
   */
  readonly maxServerTransactionsPerScope?: number
  readonly maxClientTransactions: number
  readonly maxDialogs: number
  /**
   * Places among the dialogs, and among the client transactions, that INVITEs of ours leave to those that come in and to
   * urgent ones; none unless given.
   */
  readonly reserved?: number
  /** Early dialogs one INVITE of ours may grow. */
  readonly maxForks: number
  /** Subscriptions of both roles; 10 000 unless given. They have a table of their own and take no place of a call. */
  readonly maxSubscriptions?: number
  /** Subscriptions that peers made through one flow scope; 256 unless given. */
  readonly maxSubscriptionsPerScope?: number
}

export interface UserAgent {
  /** One datagram or frame as it came; never throws. Malformed requests are answered 400 where that is possible, all else is counted. */
  receive(bytes: Buffer, flow: Flow): void
  /** The flow is gone: its pending client transactions fail with 'transport', but for INVITEs that another may answer. Dialogs stay. */
  flowClosed(flow: Flow): void
  /**
   * What `party` has on the flow `from` goes on by `to`: dialogs, INVITEs both ways without a final answer, a BYE that was
   * not heard. The owner has proven that the same device of the same party is at both ends. `contact`: where the device
   * says it is; an INVITE of ours to another address fails with 'transport'. A peer that turns out not to know a dialog
   * has ended it ('forgotten').
   */
  rehome(from: Flow, to: Flow, party: string, contact: Uri | undefined): void
  /**
   * Nobody came back: what is on the flow ends. 'not-talking': all but confirmed dialogs; 'not-vital': all but those of them
   * whose owner goes on without it (`DialogHandler.outlivesFlow`).
   */
  forsake(flow: Flow, what: 'all' | 'not-vital' | 'not-talking'): void
  /** How much on the flow would be lost with it, by `rehome`. */
  usesOf(flow: Flow): number
  invite(options: OutgoingInviteOptions, handler: OutgoingInviteHandler): OutgoingInvite
  /** A request outside a dialog (OPTIONS, REGISTER, MESSAGE). */
  request(
    options: Omit<OutgoingInviteOptions, 'dialogHandler'> & { readonly method: string },
    done: (response: SipResponse | NoAnswer) => void,
  ): void
  /** SUBSCRIBE outside a dialog; the subscription is the caller's to refresh and to end. */
  subscribe(options: SubscribeOptions, handler: SubscriberHandler): OutgoingSubscription
  /**
   * The confirmed dialog that a Replaces header names (RFC 3891 §3), its tags as seen from us; undefined when there is none
   * or it has ended. Without `scope` in every scope: the owner of the dialog must then check who asks.
   */
  findDialog(callId: string, localTag: string, remoteTag: string, scope?: string): InviteDialog | undefined
  /** Sizes of all tables; all zero when nothing is under way. */
  tables(): Readonly<Record<string, number>>
  /** What was dropped or refused, by code. */
  counters(): Readonly<Record<string, number>>
  /** Cancels every timer; nothing is sent. */
  close(): void
}

/** A SUBSCRIBE of a peer, with an Event and a usable Contact (RFC 6665 §4.2.1). It holds its place among the subscriptions. */
export interface IncomingSubscribe {
  readonly request: SipRequest
  readonly flow: Flow
  /**
   * 200 with `Expires`; makes the dialog. A NOTIFY must follow at once (§4.2.1.2). Undefined, and nothing is sent, when
   * it is too late.
   */
  accept(options: GrantOptions, handler: NotifierHandler): Notifier | undefined
  /** 300..699. Ignored when it is too late. */
  reject(status: number, options?: ResponseOptions): void
}

export interface GrantOptions {
  /** Seconds from now; at most what was asked, and a day. 0 after a SUBSCRIBE that asked for 0. */
  readonly expiresS: number
  readonly headers?: readonly Header[]
}

export interface NotifierHandler {
  /** SUBSCRIBE inside the dialog: longer, or with `Expires: 0` no more; a NOTIFY must follow. Answer now or later. */
  onRefresh(refresh: IncomingRefresh): void
  /** Not refreshed in time (the peer has been told), or a NOTIFY was refused. Not called after `close` or a last NOTIFY. */
  onEnd(reason: 'expired' | 'lost'): void
}

export interface IncomingRefresh {
  readonly request: SipRequest
  readonly flow: Flow
  accept(options: GrantOptions): void
  reject(status: number, options?: ResponseOptions): void
}

export interface NotifyOptions {
  /** Value of Subscription-State; `terminated...` is the last NOTIFY and closes the subscription. */
  readonly state: string
  /** Beside Event, which is that of the SUBSCRIBE. */
  readonly headers?: readonly Header[]
  readonly body?: Body
}

/** A subscription that we serve. */
export interface Notifier {
  readonly callId: string
  readonly isOpen: boolean
  notify(options: NotifyOptions, done?: (response: SipResponse | NoAnswer) => void): void
  /** Forgets the subscription; nothing is sent. */
  close(): void
  /** From now on it is reached, and found, by this flow; it is lost when that has no place for it. */
  useFlow(flow: Flow): void
}

export interface SubscribeOptions extends Omit<OutgoingInviteOptions, 'dialogHandler'> {
  /** Value of the Event header. */
  readonly event: string
  /** Seconds; 0 asks for one NOTIFY. */
  readonly expiresS: number
}

export type SubscriptionEnd = SipResponse | NoAnswer | 'terminated' | 'expired' | 'no-notify'

export interface SubscriberHandler {
  /** The 2xx to the first SUBSCRIBE; a NOTIFY may have come before it. */
  onAccept(response: SipResponse, expiresS: number): void
  /** Answer it now or later. */
  onNotify(notify: IncomingRequest): void
  /**
   * Once: a final refusal, no answer, the NOTIFY that said `terminated` (passed on before), no refresh in time, or no
   * NOTIFY at all within 64*T1 (Timer N).
   */
  onEnd(reason: SubscriptionEnd): void
}

export interface RefreshOptions {
  readonly expiresS: number
  readonly headers?: readonly Header[]
  readonly body?: Body
}

/** A subscription of ours. */
export interface OutgoingSubscription {
  readonly callId: string
  readonly isOpen: boolean
  /** Answered 481 by ourselves when it has ended or has no dialog yet. */
  refresh(options: RefreshOptions, done: (response: SipResponse | NoAnswer) => void): void
  /** `Expires: 0`, as soon as there is a dialog; the handler is called until the last NOTIFY, an error or Timer N. */
  unsubscribe(headers?: readonly Header[]): void
}
