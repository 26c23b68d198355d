import type { Config, UserConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import { bearerChallenge } from '../../sip/authentication/bearer.ts'
import { createDigestServer, type DigestKey, type DigestServer } from '../../sip/authentication/digest.ts'
import { SipFailure } from '../../sip/failure.ts'
import type { Flow } from '../../sip/flow.ts'
import { type Header, isSipUri, type SipRequest, type Uri } from '../../sip/message/message.ts'
import { type Binding, Location } from '../../sip/registration/location.ts'
import { handleRegister, type RegistrarPolicy } from '../../sip/registration/registrar.ts'
import type { IncomingInvite, IncomingRequest, SipEnvironment } from '../../sip/user-agent.ts'
import { isAnonymous } from '../calls/identity.ts'
import { type Verdict, verdictOf } from '../diagnosis.ts'
import { reasonHeader, refuseStopped } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { LadderTickets } from '../ladder/ladder-tickets.ts'
import type { Refusals } from '../refusals.ts'
import { NumberDirectory } from '../trunks/number-directory.ts'
import type { TurnCredentials } from '../web/turn.ts'
import type { TokenVerdict } from './jwt.ts'
import type { Registered, Registrar } from './registrar.ts'
import { RegistrationNews } from './registration-news.ts'
import { type RegistrationSummary, registrationSummary } from './registration-summary.ts'
import { SignInGuard } from './sign-in-guard.ts'
import type { TokenGate } from './token-gate.ts'

export interface RegistrationOptions {
  readonly config: Config
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  /** Has seen each request of a browser before it comes here; needed where tokens sign in (`registration.jwt`). */
  readonly tokens?: TokenGate | undefined
  /** Handed out with each 200 of a REGISTER, where there is a TURN server. */
  readonly turn?: TurnCredentials | undefined
  /** Handed out likewise: who may see the ladders of the user's calls. */
  readonly tickets?: LadderTickets | undefined
  /** A REGISTER has been answered 200. */
  readonly onRegistered?: (registered: Registered) => void
  /** Devices of a user have come or gone. */
  readonly onDevices?: (user: string) => void
}

export type HttpVerdict =
  | { readonly kind: 'accepted'; readonly user: string }
  | { readonly kind: 'refused'; readonly status: number; readonly challenges: readonly Header[] }

interface Authenticated {
  readonly user: string
  /** How long that is proven; undefined by password. */
  readonly remainingS: number | undefined
}

type Respond = (status: number, headers: readonly Header[]) => void

/**
 * Who our users are and where they can be reached now: digest, tokens, registrar and location store joined. A gateway serves one
 * domain, by whatever name the browser reached it; so the user part alone is the AOR.
 */
export class Registration implements Registrar {
  readonly #options: RegistrationOptions
  readonly #digest: DigestServer
  readonly #location: Location
  readonly #users: ReadonlySet<string>
  readonly #directory: NumberDirectory
  readonly #keys: ReadonlyMap<string, DigestKey>
  readonly #guard: SignInGuard
  readonly #news: RegistrationNews
  #cancelSweep: (() => void) | undefined
  #isStopped = false

  constructor(options: RegistrationOptions) {
    const { config, environment, log } = options
    const { domain, registration, users } = config
    this.#options = options
    this.#news = new RegistrationNews(log, () => environment.nowMs())
    this.#guard = new SignInGuard(() => environment.nowMs())
    this.#users = new Set(users.map(({ name }) => name))
    this.#directory = new NumberDirectory(config)
    this.#keys = new Map(users.flatMap((user) => keysOf(user)))
    this.#digest = createDigestServer({
      realm: domain,
      secret: environment.token(),
      algorithms: ['SHA-512-256', 'SHA-256', ...(registration.md5 ? (['MD5'] as const) : [])],
      nonceLifetimeMs: registration.nonceLifetimeS * 1_000,
    })
    this.#location = new Location({
      maxBindingsPerAor: registration.maxBindingsPerUser,
      maxFlowsPerAor: registration.maxFlowsPerUser,
      maxBindings: registration.maxBindings,
    })
  }

  /** Bindings that are stored. */
  get size(): number {
    return this.#location.size
  }

  /** REGISTER by WebSocket; answered in every case. */
  onRegister(incoming: IncomingRequest): void {
    if (this.#isStopped) {
      refuseStopped(incoming)
      return
    }
    const { request, flow, respond } = incoming
    const answer: Respond = (status, headers) => respond(status, { headers })
    const sender = this.#authenticate(request, flow, answer)
    if (sender === undefined) return
    const { user } = sender
    const nowMs = this.#options.environment.nowMs()
    const { status, headers, failure, bound, superseded, isNews } = handleRegister({
      request,
      flow,
      user,
      location: this.#location,
      nowMs,
      policy: this.#policyFor(sender),
    })
    this.#scheduleSweep()
    if (failure !== undefined) {
      const verdict = verdictOf(failure)
      this.#tellRefusal(verdict, request, flow, user)
      answer(status, [...headers, reasonHeader(verdict)])
      return
    }
    const bindings = this.#location.bindingsOf(user, nowMs).length
    const seen = { bindings, source: flow.remote.address }
    if (isNews) this.#news.tell('registration', user, seen)
    else this.#news.tellRefresh(user, seen)
    const { turn, tickets } = this.#options
    // A user who has just signed off needs nothing more.
    const gifts = bindings === 0 ? [] : [turn, tickets].flatMap((giver) => giver?.headerFor(user) ?? [])
    answer(status, [...headers, ...gifts])
    this.#options.onRegistered?.({ user, flow, bound, superseded })
    this.#options.onDevices?.(user)
  }

  /**
   * The user who sends this INVITE, or another request. Undefined: challenged or refused, the answer is out. Throws `call.wrong-identity` when
   * From is neither the user that has signed in here nor a number of theirs.
   */
  authenticateCaller(invite: Pick<IncomingInvite, 'request' | 'flow' | 'reject'>): string | undefined {
    const { request, flow } = invite
    const claimed = isSipUri(request.from.uri) ? request.from.uri.user : undefined
    const registered = this.#usersOn(flow).find((user) => this.#mayCallAs(user, request.from.uri))
    if (registered !== undefined) return registered
    const sender = this.#authenticate(request, flow, (status, headers) => invite.reject(status, { headers }))
    if (sender === undefined) return undefined
    const { user } = sender
    if (this.#mayCallAs(user, request.from.uri)) return user
    throw new GatewayFailure('call.wrong-identity', { expected: user, seen: claimed ?? 'none' })
  }

  /** The user that asks over HTTP from `address`, by the same passwords and tokens. `authorization`: the header of that name. */
  async authenticateHttp(
    method: string,
    path: string,
    authorization: string | undefined,
    address: string,
  ): Promise<HttpVerdict> {
    const barred = this.#guard.refusal(address)
    if (barred !== undefined) return { kind: 'refused', status: barred.status, challenges: [] }
    const verdict = await this.#judgeHttp(method, path, authorization)
    const isGuess = verdict.kind === 'refused' && authorization !== undefined
    if (isGuess) this.#guard.failedFrom(address)
    return verdict
  }

  async #judgeHttp(method: string, path: string, authorization: string | undefined): Promise<HttpVerdict> {
    const headers = authorization === undefined ? [] : [{ name: 'Authorization', value: authorization }]
    const uri = { scheme: 'http', user: undefined, host: undefined, text: path }
    const token = await this.#options.tokens?.judge({ headers })
    const nowMs = this.#options.environment.nowMs()
    if (token?.kind === 'refused') {
      return { kind: 'refused', status: 401, challenges: this.#challenges(nowMs, { isBadToken: true }) }
    }
    if (token !== undefined) {
      if (this.#users.has(token.user)) return { kind: 'accepted', user: token.user }
      return { kind: 'refused', status: 403, challenges: [] }
    }
    const verdict = this.#digest.verify({ method, uri, headers }, nowMs, (user) => this.#keys.get(user))
    if (verdict.kind === 'accepted') return verdict
    if (verdict.kind === 'challenge') {
      return { kind: 'refused', status: 401, challenges: this.#challenges(nowMs, verdict) }
    }
    return { kind: 'refused', status: verdictOf(verdict.failure).status, challenges: [] }
  }

  /** The devices of a user that can be called now, most recently registered first. */
  bindingsOf(user: string): readonly Binding[] {
    const { environment } = this.#options
    return this.#location.bindingsOf(user, environment.nowMs()).filter((binding) => binding.flow.isOpen)
  }

  isBarred(flow: Flow): boolean {
    return this.#guard.refusalOf(flow, this.isKnown(flow)) !== undefined
  }

  isKnown(flow: Flow): boolean {
    return this.#usersOn(flow).length > 0
  }

  /** Everybody's registrations, for operators. */
  list(): readonly RegistrationSummary[] {
    const nowMs = this.#options.environment.nowMs()
    return [...this.#location.all(nowMs)].map((binding) => registrationSummary(binding, nowMs))
  }

  /** What was reached by this WebSocket is reached no more. */
  flowClosed(flow: Flow): void {
    this.#gone(this.#location.removeFlow(flow.id), 'connection')
  }

  async stop(): Promise<void> {
    this.#isStopped = true
  }

  close(): void {
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
  }

  #gone(gone: readonly Binding[], why: 'connection' | 'expired'): void {
    const nowMs = this.#options.environment.nowMs()
    for (const user of new Set(gone.map(({ aor }) => aor))) {
      const bindings = this.#location.bindingsOf(user, nowMs).length
      this.#news.tell('registration ended', user, { bindings, why })
      this.#options.onDevices?.(user)
    }
  }

  #usersOn(flow: Flow): readonly string[] {
    const nowMs = this.#options.environment.nowMs()
    return this.#location.bindingsByFlow(flow.id, nowMs).map(({ aor }) => aor)
  }

  /** In From stand the user's name, a number of theirs, or nobody's (RFC 3323). */
  #mayCallAs(user: string, from: Uri): boolean {
    const claimed = isSipUri(from) ? from.user : undefined
    if (claimed === undefined) return false
    return claimed === user || isAnonymous(from) || this.#directory.usersOf(claimed).includes(user)
  }

  /** The user, or undefined after a 401 or a refusal has been sent. */
  #authenticate(request: SipRequest, flow: Flow, respond: Respond): Authenticated | undefined {
    const barred = this.#guard.refusalOf(flow, this.isKnown(flow))
    if (barred !== undefined) {
      respond(barred.status, barred.headers)
      return undefined
    }
    const token = this.#options.tokens?.verdictOf(request)
    if (token?.kind === 'refused') {
      this.#refuseToken(token, request, flow, respond)
      return undefined
    }
    if (token !== undefined && this.#users.has(token.user)) return token
    if (token !== undefined) {
      this.#refuse(new SipFailure('sip.bad-credentials', { seen: token.user }), request, flow, respond)
      return undefined
    }
    const nowMs = this.#options.environment.nowMs()
    const verdict = this.#digest.verify(request, nowMs, (user) => this.#keys.get(user))
    switch (verdict.kind) {
      case 'accepted':
        return { user: verdict.user, remainingS: undefined }
      case 'challenge':
        respond(401, this.#challenges(nowMs, verdict))
        if (verdict.stale) this.#guard.stale(flow)
        return undefined
      case 'refused':
        this.#refuse(verdict.failure, request, flow, respond)
        return undefined
      default:
        return verdict satisfies never
    }
  }

  /** Bearer first, MD5 last: clients that know one scheme keep the last line (RFC 8760 §2.4: the topmost known). */
  #challenges(
    nowMs: number,
    state: { readonly stale?: boolean; readonly isBadToken?: boolean },
  ): readonly Header[] {
    const { domain: realm, registration } = this.#options.config
    const { jwt } = registration
    const bearer = jwt === undefined ? [] : [bearerChallenge({ realm, ...jwt }, state.isBadToken ?? false)]
    const digest = this.#digest.challenges(nowMs, { stale: state.stale ?? false })
    return [...bearer, ...digest].map((value) => ({ name: 'WWW-Authenticate', value }))
  }

  /** A registration lasts no longer than what proved it; never under the minimum, or clients would do nothing else. */
  #policyFor({ remainingS }: Authenticated): RegistrarPolicy {
    const { minExpiresS, maxExpiresS } = this.#options.config.registration
    if (remainingS === undefined) return { minExpiresS, maxExpiresS }
    const provenS = Math.max(minExpiresS, Math.floor(remainingS))
    return { minExpiresS, maxExpiresS: Math.min(maxExpiresS, provenS) }
  }

  #refuseToken(
    { failure, isExpired }: Extract<TokenVerdict, { kind: 'refused' }>,
    request: SipRequest,
    flow: Flow,
    respond: Respond,
  ): void {
    const verdict = verdictOf(failure)
    this.#tellRefusal(verdict, request, flow)
    const challenges = this.#challenges(this.#options.environment.nowMs(), { isBadToken: true })
    respond(verdict.status, [...challenges, reasonHeader(verdict)])
    if (!isExpired) this.#guard.failed(flow)
  }

  #refuse(failure: SipFailure, request: SipRequest, flow: Flow, respond: Respond): void {
    const verdict = verdictOf(failure)
    this.#tellRefusal(verdict, request, flow)
    respond(verdict.status, [reasonHeader(verdict)])
    this.#guard.failed(flow)
  }

  /** `user`: who has proven to be that. */
  #tellRefusal(verdict: Verdict, request: SipRequest, flow: Flow, user?: string): void {
    this.#options.refusals.tell(`${request.method} refused`, {
      verdict,
      error: undefined,
      fields: { from: request.from.uri.text, source: flow.remote.address },
      party: user === undefined ? undefined : `user:${user}`,
    })
  }

  /** Expired bindings are never used; this frees them. */
  #scheduleSweep(): void {
    this.close()
    const { deadlineMs } = this.#location
    if (deadlineMs === undefined) return
    this.#cancelSweep = this.#options.environment.schedule(deadlineMs, () => {
      this.#gone(this.#location.expire(this.#options.environment.nowMs()), 'expired')
      this.#scheduleSweep()
    })
  }
}

/** Nothing for a user without password and hashes. */
function keysOf({ name, password, ha1 }: UserConfig): readonly (readonly [string, DigestKey])[] {
  if (password !== undefined) return [[name, { password }]]
  return ha1 === undefined ? [] : [[name, { ha1 }]]
}
