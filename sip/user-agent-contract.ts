import type { Flow } from './flow.ts'
import type { Header, NameAddr, SipRequest, SipResponse, Uri } from './message.ts'

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
}

export interface UserAgentHandler {
  /** A new INVITE outside a dialog; 100 has been sent. The handler answers through `invite`, now or later. */
  onInvite(invite: IncomingInvite): void
  /** Any other request outside a dialog (REGISTER, OPTIONS, MESSAGE, SUBSCRIBE...). */
  onRequest(request: IncomingRequest): void
  /** An exception of a handler, already contained (the transaction was answered 500). For the log. */
  onError(error: unknown, request: SipRequest | undefined): void
}

/** A request outside INVITE that waits for its one final response. */
export interface IncomingRequest {
  readonly request: SipRequest
  readonly flow: Flow
  respond(status: number, options?: ResponseOptions): void
}

export interface IncomingInviteHandler {
  /** CANCEL came in time; 200 and 487 have been sent. */
  onCancel(cancel: SipRequest): void
}

export interface IncomingInvite {
  readonly request: SipRequest
  readonly flow: Flow
  /** Set by the owner before control returns to the stack. */
  handler: IncomingInviteHandler | undefined
  /** 101..199. Creates the early dialog (To tag, Contact). Ignored after a final response. */
  progress(status: number, options?: ResponseOptions): void
  /** 200 with the body; retransmitted until ACK. Returns the confirmed dialog. Asserts when already answered. */
  accept(options: ResponseOptions, handler: DialogHandler): InviteDialog
  /** 300..699. Ignored after a final response or CANCEL. */
  reject(status: number, options?: ResponseOptions): void
}

/** Why a request we sent has no answer from the peer. A full client table is reported as 'transport' too, and counted. */
export type NoAnswer = 'timeout' | 'transport'

export interface OutgoingInviteHandler {
  /** Each provisional response except 100. */
  onProgress(response: SipResponse): void
  /** First 2xx: the dialog is confirmed; ACK is sent when `dialog.acknowledge()` is called. Later forks are ended inside. */
  onAccept(response: SipResponse, dialog: InviteDialog): void
  /** Final failure, or no answer at all. */
  onReject(response: SipResponse | NoAnswer): void
}

export interface OutgoingInviteOptions {
  readonly flow: Flow
  readonly uri: Uri
  readonly from: NameAddr
  readonly to: NameAddr
  readonly route?: readonly string[]
  readonly headers?: readonly Header[]
  readonly body?: Body
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

export interface DialogHandler {
  /** BYE came and was answered 200; or the peer never sent ACK ('ack-timeout': BYE has been sent by the stack). */
  onEnd(reason: 'bye' | 'ack-timeout', request: SipRequest | undefined): void
  /** ACK of the initial INVITE's 2xx (its body is the answer in a delayed offer). */
  onAck(ack: SipRequest): void
  /** re-INVITE or UPDATE with an offer; answer through it, now or later. Glare (491) is handled inside. */
  onReinvite(reinvite: IncomingReinvite): void
  /** Any other request inside the dialog (INFO, MESSAGE, NOTIFY, REFER, OPTIONS, UPDATE without a body...). */
  onRequest(request: IncomingRequest): void
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
   * Sends re-INVITE with an offer (asserts on a body); ACK for its 2xx is automatic. One at a time: asserts otherwise. As UAS
   * before ACK it waits for the ACK. A 481 or 491 is made here when the dialog has ended or the peer's offer is open. After
   * 408, 481, 'timeout' or 'transport' the dialog is of no use: call `bye()`.
   */
  reinvite(
    options: { readonly headers?: readonly Header[]; readonly body?: Body },
    done: (response: SipResponse | NoAnswer) => void,
  ): void
  request(
    method: string,
    options: { readonly headers?: readonly Header[]; readonly body?: Body },
    done: (response: SipResponse | NoAnswer) => void,
  ): void
  /** From now on the dialog sends by this flow. */
  useFlow(flow: Flow): void
}

export interface UserAgentOptions {
  readonly environment: SipEnvironment
  readonly handler: UserAgentHandler
  /** `Server`/`User-Agent` value. */
  readonly product: string
  /** Via sent-by and Contact host:port for a flow, as the peer must see them. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
  readonly limits: UserAgentLimits
}

export interface UserAgentLimits {
  readonly maxServerTransactions: number
  readonly maxClientTransactions: number
  readonly maxDialogs: number
  /** Early dialogs one INVITE of ours may grow. */
  readonly maxForks: number
}

export interface UserAgent {
  /** One datagram or frame as it came; never throws. Malformed requests are answered 400 where that is possible, all else is counted. */
  receive(bytes: Buffer, flow: Flow): void
  /** The flow is gone: its pending client transactions fail with 'transport'. Dialogs stay. */
  flowClosed(flow: Flow): void
  invite(options: OutgoingInviteOptions, handler: OutgoingInviteHandler): OutgoingInvite
  /** A request outside a dialog (OPTIONS, REGISTER, MESSAGE). */
  request(
    options: Omit<OutgoingInviteOptions, 'dialogHandler'> & { readonly method: string },
    done: (response: SipResponse | NoAnswer) => void,
  ): void
  /** Sizes of all tables; all zero when nothing is under way. */
  tables(): Readonly<Record<string, number>>
  /** What was dropped or refused, by code. */
  counters(): Readonly<Record<string, number>>
  /** Cancels every timer; nothing is sent. */
  close(): void
}
