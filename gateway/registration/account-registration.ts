import type { Log } from '../../config/logging.ts'
import { retryAfter, seconds } from '../../sip/message/headers.ts'
import type { Header, SipResponse, Uri } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import { areEqualUris, parseUri } from '../../sip/message/uri.ts'
import type { NoAnswer, SipEnvironment } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { grantedS } from './granted-expires.ts'

/** What a REGISTER came to. `isAnotherLeft`: it failed at one address of the registrar, and there are others to be asked now. */
export type Registered = (outcome: SipResponse | NoAnswer, isAnotherLeft?: boolean) => void

export interface AccountRegistrationOptions {
  /** Whose account it is, for the log: ours at a trunk, or a user's at the PBX. */
  readonly owner: { readonly kind: 'trunk' | 'extension'; readonly name: string }
  readonly expiresS: number
  readonly environment: SipEnvironment
  readonly log: Log
  /** Sends REGISTER for the account with these headers; challenges are answered below. May throw when there is no way. */
  readonly send: (headers: readonly Header[], done: Registered) => void
  /** URI of ours that the registrar shall call. May throw when there is no way. */
  readonly contact: () => string
  /** RFC 6140: the account stands for all numbers of a trunk. */
  readonly isBulk?: boolean
  /** A 200, at first and at each refresh. */
  readonly onRegistered?: (response: SipResponse) => void
  /** Asked after `stop`: another one has the same Contact there now, and its binding is not to be taken back. */
  readonly isReplaced?: () => boolean
  /** For operators. */
  readonly onFailed?: (reason: string) => void
}

interface Failed {
  readonly response?: SipResponse
  readonly isAnotherLeft?: boolean
}

/** RFC 6140 §5.1, §5.2: a registrar that does not know it must not take it for a registration of one. */
const BULK: readonly Header[] = [
  { name: 'Require', value: 'gin' },
  { name: 'Proxy-Require', value: 'gin' },
  { name: 'Supported', value: 'path' },
]

/** Part of the granted time after which a registration is refreshed. */
const REFRESH_PART = 0.8
const MIN_REFRESH_MS = 5_000
const MIN_BACK_OFF_MS = 5_000
const MAX_BACK_OFF_MS = 300_000
/** Wrong passwords are not repeated often: some providers lock the account. */
const REFUSED_BACK_OFF_MS = 60_000
const MAX_EXPIRES_S = 86_400
const MAX_BRIEF = 2

/**
 * Keeps an account registered at a trunk or PBX (RFC 3261 §10.2): refreshes in time, takes the interval a 423 asks for, and tries again ever
 * more seldom after failures. Its state is in the log.
 */
export class AccountRegistration {
  readonly #options: AccountRegistrationOptions
  #expiresS: number
  #state: 'trying' | 'registered' | 'failed' | 'stopped' = 'trying'
  #isAsking = false
  /** Of the last REGISTER. */
  #contact: Uri | undefined
  /** When the binding there is over. */
  #validUntilMs = 0
  #failures = 0
  #cancelTimer: () => void = () => {}

  constructor(options: AccountRegistrationOptions) {
    this.#options = options
    this.#expiresS = options.expiresS
  }

  /** The registrar knows, as far as we know, where we are. */
  get isRegistered(): boolean {
    return this.#options.environment.nowMs() < this.#validUntilMs
  }

  start(): void {
    this.#register(0)
  }

  /** The registrar was away and may have forgotten us: registers again now. */
  renew(): void {
    if (this.#state === 'stopped' || this.#isAsking) return
    this.#cancelTimer()
    this.#state = 'trying'
    this.#register(0)
  }

  /** Takes the registration back; resolves when the registrar has answered, or will not. */
  async stop(): Promise<void> {
    this.#cancelTimer()
    const wasRegistered = this.isRegistered
    this.#state = 'stopped'
    this.#validUntilMs = 0
    if (wasRegistered) await new Promise<void>((resolve) => this.#send(0, () => resolve()))
  }

  #register(briefs: number): void {
    const askedS = this.#expiresS
    this.#isAsking = true
    this.#send(askedS, (outcome, isAnotherLeft = false) => {
      this.#isAsking = false
      if (this.#state === 'stopped') {
        // It was under way when the account was to be registered no more.
        const isGranted = typeof outcome === 'object' && outcome.status < 300
        if (isGranted && this.#options.isReplaced?.() !== true) this.#send(0, () => {})
        return
      }
      if (typeof outcome === 'string') this.#failed(outcome, { isAnotherLeft })
      else if (outcome.status < 300) this.#registered(outcome, askedS)
      else if (outcome.status === 423 && briefs < MAX_BRIEF) this.#tooBrief(outcome, briefs)
      else this.#failed(`${outcome.status} ${outcome.reason}`, { response: outcome, isAnotherLeft })
    })
  }

  #send(expiresS: number, done: Registered): void {
    const { send, contact, isBulk } = this.#options
    try {
      const uri = parseUri(contact())
      this.#contact = uri
      const headers = [
        { name: 'Contact', value: `<${uri.text}>` },
        { name: 'Expires', value: String(expiresS) },
        ...(isBulk ? BULK : []),
      ]
      send(headers, done)
    } catch (error) {
      // It has no address now.
      if (!(error instanceof GatewayFailure)) throw error
      done('transport')
    }
  }

  #registered(response: SipResponse, askedS: number): void {
    const { environment, owner, log, onRegistered } = this.#options
    const own = this.#contact
    const granted = grantedS(response, (uri) => own !== undefined && areEqualUris(uri, own))
    const expiresS = Math.min(granted ?? askedS, MAX_EXPIRES_S)
    if (this.#state !== 'registered')
      log.info(`${owner.kind} registered`, { [owner.kind]: owner.name, expiresS })
    onRegistered?.(response)
    this.#state = 'registered'
    this.#failures = 0
    this.#validUntilMs = environment.nowMs() + expiresS * 1_000
    this.#again(Math.max(MIN_REFRESH_MS, expiresS * 1_000 * REFRESH_PART))
  }

  /** RFC 3261 §10.2.8. */
  #tooBrief(response: SipResponse, briefs: number): void {
    const minS = readable(() => seconds(response, 'Min-Expires'))
    if (minS === undefined || minS <= this.#expiresS || minS > MAX_EXPIRES_S) {
      this.#failed('423 without a usable Min-Expires')
      return
    }
    this.#expiresS = minS
    this.#register(briefs + 1)
  }

  #failed(reason: string, { response, isAnotherLeft = false }: Failed = {}): void {
    const { owner, log, onFailed } = this.#options
    onFailed?.(reason)
    // How long one address wants to be left alone is nothing to another one; all of them together have failed once.
    const waitMs = isAnotherLeft ? this.#backOffMs(MIN_BACK_OFF_MS) : this.#waitMs(response)
    if (!isAnotherLeft) this.#failures += 1
    const fields = { [owner.kind]: owner.name, reason, retryS: Math.round(waitMs / 1_000) }
    if (this.#state === 'failed') log.debug(`${owner.kind} still not registered`, fields)
    else log.warn(`${owner.kind} not registered`, fields)
    this.#state = 'failed'
    this.#again(waitMs)
  }

  #waitMs(response: SipResponse | undefined): number {
    const asked = response === undefined ? undefined : readable(() => retryAfter(response))
    if (asked !== undefined) return Math.min(Math.max(asked * 1_000, MIN_BACK_OFF_MS), MAX_BACK_OFF_MS)
    const isRefused = response !== undefined && [401, 403, 404, 407].includes(response.status)
    const first = isRefused ? REFUSED_BACK_OFF_MS : MIN_BACK_OFF_MS
    return this.#backOffMs(Math.min(MAX_BACK_OFF_MS, first * 2 ** Math.min(this.#failures, 10)))
  }

  /** Gateways that lost the same provider do not come back to it as one. */
  #backOffMs(fullMs: number): number {
    const part = Number.parseInt(this.#options.environment.token().slice(0, 4), 16) / 0xffff
    return fullMs * (0.75 + part / 4)
  }

  #again(waitMs: number): void {
    const { environment } = this.#options
    this.#cancelTimer = environment.schedule(environment.nowMs() + waitMs, () => this.#register(0))
  }
}
