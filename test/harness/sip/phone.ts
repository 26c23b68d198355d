import type { Flow } from '../../../sip/flow.ts'
import type { NameAddr, SipRequest } from '../../../sip/message/message.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import {
  type Body,
  type ClientCredentials,
  createUserAgent,
  type DialogHandler,
  type ForeignRequest,
  type IncomingInvite,
  type IncomingReinvite,
  type IncomingRequest,
  type IncomingSubscribe,
  type InviteDialog,
  type OutgoingInvite,
  type ReinviteOutcome,
  type SessionTimerOptions,
  type SipEnvironment,
  type UserAgent,
  type UserAgentLimits,
} from '../../../sip/user-agent.ts'

export const sdp = (text: string): Body => ({ contentType: 'application/sdp', bytes: Buffer.from(text) })

const LIMITS: UserAgentLimits = {
  maxServerTransactions: 10_000,
  maxClientTransactions: 10_000,
  maxDialogs: 10_000,
  maxForks: 4,
}

export interface PhoneOptions {
  readonly limits?: Partial<UserAgentLimits>
  readonly onInvite?: (invite: IncomingInvite, phone: Phone) => void
  readonly onRequest?: (request: IncomingRequest) => void
  readonly onSubscribe?: (subscribe: IncomingSubscribe) => void
  readonly onReinvite?: (reinvite: IncomingReinvite) => void
  /** Unless given, nothing is done when a re-INVITE is due. */
  readonly onRefreshDue?: (phone: Phone) => void
  readonly sessionTimer?: SessionTimerOptions
  readonly credentials?: ClientCredentials
  readonly flowToListener?: (flow: Flow, port: number) => Flow | undefined
  readonly onDialogRequest?: (request: IncomingRequest) => void
  /** False: the caller of the test acknowledges. */
  readonly acknowledges?: boolean
  readonly onForeign?: (foreign: ForeignRequest) => void
  /** Whether its calls go on however long a connection is lost. */
  readonly outlivesFlow?: () => boolean
}

/** A user agent with a diary of what its handlers were called for. */
export class Phone {
  readonly agent: UserAgent
  readonly diary: string[] = []
  readonly errors: unknown[] = []
  readonly invites: IncomingInvite[] = []
  readonly requests: IncomingRequest[] = []
  readonly reinvites: IncomingReinvite[] = []
  readonly acks: SipRequest[] = []
  readonly dialogs: InviteDialog[] = []
  /** Whether an offer before the 2xx becomes one of `reinvites`. */
  takesEarlyOffers: boolean | 'throws' = false
  readonly #options: PhoneOptions

  constructor(clock: SipEnvironment, options: PhoneOptions = {}) {
    this.#options = options
    this.agent = createUserAgent({
      environment: clock,
      product: 'test',
      sentBy: (flow) => ({ host: flow.local.address, port: flow.local.port }),
      limits: { ...LIMITS, ...options.limits },
      ...(options.sessionTimer === undefined ? {} : { sessionTimer: options.sessionTimer }),
      credentialsFor: () => options.credentials,
      ...(options.flowToListener === undefined ? {} : { flowToListener: options.flowToListener }),
      handler: {
        onInvite: (invite) => {
          this.invites.push(invite)
          this.diary.push('invite')
          invite.handler = {
            onCancel: (cancel) => this.diary.push(`cancel ${cancel.method}`),
            onPrackTimeout: () => this.diary.push('prack timeout'),
            onLost: () => this.diary.push('lost'),
          }
          options.onInvite?.(invite, this)
        },
        onRequest: (request) => {
          this.requests.push(request)
          this.diary.push(`request ${request.request.method}`)
          options.onRequest?.(request)
        },
        ...(options.onSubscribe === undefined ? {} : { onSubscribe: options.onSubscribe }),
        ...(options.onForeign === undefined ? {} : { onForeign: options.onForeign }),
        onError: (error) => this.errors.push(error),
      },
    })
  }

  /** Answers 200 and keeps the dialog. */
  answer(invite: IncomingInvite, body = sdp('answer')): InviteDialog {
    const dialog = invite.accept({ body }, this.dialogHandler())
    this.dialogs.push(dialog)
    return dialog
  }

  call(
    flow: Flow,
    options: { body?: Body | undefined; to?: NameAddr; party?: string; isUrgent?: boolean } = {
      body: sdp('offer'),
    },
  ): OutgoingInvite {
    const to = options.to ?? parseNameAddr('<sip:bob@192.0.2.2>')
    return this.agent.invite(
      {
        flow,
        uri: to.uri,
        from: parseNameAddr('<sip:alice@192.0.2.1>'),
        to,
        dialogHandler: this.dialogHandler(),
        ...(options.party === undefined ? {} : { party: options.party }),
        ...(options.body === undefined ? {} : { body: options.body }),
        isUrgent: options.isUrgent ?? false,
      },
      {
        onProgress: (response) => this.diary.push(`progress ${response.status}`),
        onAccept: (response, dialog) => {
          this.diary.push(`accept ${response.status}`)
          this.dialogs.push(dialog)
          if (this.#options.acknowledges !== false) dialog.acknowledge()
        },
        onReject: (outcome) => this.diary.push(`reject ${statusOf(outcome)}`),
      },
    )
  }

  dialogHandler(): DialogHandler {
    return {
      onEnd: (reason) => this.diary.push(`end ${reason}`),
      onAck: (ack) => {
        this.acks.push(ack)
        this.diary.push('ack')
      },
      onReinvite: (reinvite) => {
        this.reinvites.push(reinvite)
        this.diary.push(`reinvite ${reinvite.request.method}`)
        this.#options.onReinvite?.(reinvite)
      },
      onEarlyOffer: (reinvite) => {
        if (this.takesEarlyOffers === 'throws') throw new Error('on purpose')
        if (this.takesEarlyOffers) this.reinvites.push(reinvite)
        return this.takesEarlyOffers
      },
      onRefreshDue: () => {
        this.diary.push('refresh due')
        this.#options.onRefreshDue?.(this)
      },
      onRequest: (request) => {
        this.requests.push(request)
        this.diary.push(`inside ${request.request.method}`)
        this.#options.onDialogRequest?.(request)
      },
      outlivesFlow: () => this.#options.outlivesFlow?.() ?? false,
    }
  }

  /** Writes the outcome of a request into the diary. */
  note = (outcome: ReinviteOutcome): void => {
    this.diary.push(`done ${statusOf(outcome)}`)
  }
}

const statusOf = (outcome: ReinviteOutcome): string =>
  typeof outcome === 'string' ? outcome : String(outcome.status)

export const EMPTY_TABLES = {
  clientTransactions: 0,
  unansweredRequests: 0,
  serverTransactions: 0,
  mergeKeys: 0,
  busyConnections: 0,
  busyScopes: 0,
  dialogs: 0,
  flowsInUse: 0,
  outgoingInvites: 0,
  subscriptions: 0,
  timers: 0,
}
