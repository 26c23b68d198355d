import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import { SipFailure } from '../../sip/failure.ts'
import type { Flow } from '../../sip/flow.ts'
import { rawValues } from '../../sip/message/headers.ts'
import { type Header, isSipUri, type SipResponse } from '../../sip/message/message.ts'
import { areEqualUris } from '../../sip/message/uri.ts'
import { isSameDevice } from '../../sip/registration/location.ts'
import { shortUserAgent } from '../../sip/registration/registrar.ts'
import type {
  IncomingInvite,
  IncomingRequest,
  NoAnswer,
  RequestNumbers,
  SipEnvironment,
  UserAgent,
} from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import { ownHeadersOf, refusalHeaders, refuseStopped } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { LadderTickets } from '../ladder/ladder-tickets.ts'
import type { Refusals } from '../refusals.ts'
import { PENDING_MOST, RelayLimits } from '../relay/relay-limits.ts'
import { answeredHeaders, nextHops } from '../relay/relay-policy.ts'
import { relayRequest } from '../relay/relay-request.ts'
import type { TurnCredentials } from '../web/turn.ts'
import { grantedS } from './granted-expires.ts'
import type { Registered, Registrar } from './registrar.ts'
import { RegistrationNews } from './registration-news.ts'
import { type RegistrationSummary, registrationSummary } from './registration-summary.ts'
import { SignInGuard } from './sign-in-guard.ts'
import { challengeOf, PBX, seenIn, unreachable } from './upstream.ts'
import { isChallenge, isWrongPassword, passedCredentials } from './upstream-credentials.ts'
import type { UpstreamLine } from './upstream-line.ts'
import { type UpstreamBinding, UpstreamLocation } from './upstream-location.ts'
import { UpstreamNumbers } from './upstream-numbers.ts'
import { contactFor, contactOf, type RegisterWish, readRegister, serviceRoute } from './upstream-register.ts'

export interface UpstreamRegistrarOptions {
  readonly config: Config
  readonly line: UpstreamLine
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  readonly turn?: TurnCredentials | undefined
  readonly tickets?: LadderTickets | undefined
  /** The PBX has taken the registration of a device. */
  readonly onRegistered: (registered: Registered) => void
}

/** Devices that one WebSocket may register: one, and what a page that is loaded again leaves behind. */
export const MAX_BINDINGS_PER_FLOW = 4
const MAX_BINDINGS = 50_000
/** What a registrar grants that does not say. */
const DEFAULT_EXPIRES_S = 3_600

/** A REGISTER under way, and what is known of its device. */
interface Relayed {
  readonly wish: RegisterWish
  readonly incoming: IncomingRequest
  readonly token: string
  readonly numbers: RequestNumbers
  readonly credentials: readonly Header[]
}

/**
 * The registrar is the PBX: REGISTER of a browser goes there with the user's own credentials, its Contact (or a Path) made ours.
 * The PBX calls it by an opaque token, which stays the same as long as the device comes back within the grace time.
 */
export class UpstreamRegistrar implements Registrar {
  readonly location: UpstreamLocation
  readonly numbers: UpstreamNumbers
  readonly guard: SignInGuard
  readonly #options: UpstreamRegistrarOptions
  readonly #limits = new RelayLimits(PENDING_MOST)
  readonly #news: RegistrationNews
  /** How to give up each REGISTER that waits. */
  readonly #waiting = new Set<() => void>()
  /** By token: the end of the registration, or of its grace. */
  readonly #timers = new Map<string, () => void>()
  #isStopped = false

  constructor(options: UpstreamRegistrarOptions) {
    const { config, environment, log } = options
    this.#options = options
    this.#news = new RegistrationNews(log, () => environment.nowMs())
    this.numbers = new UpstreamNumbers(environment.token())
    this.guard = new SignInGuard(() => environment.nowMs())
    this.location = new UpstreamLocation({
      maxPerUser: config.registration.maxBindingsPerUser,
      maxPerFlow: MAX_BINDINGS_PER_FLOW,
      max: MAX_BINDINGS,
    })
  }

  get size(): number {
    return this.location.size
  }

  /** Sizes of all tables; `upstreamBindings` are no leftovers. */
  tables(): Readonly<Record<string, number>> {
    return { relayedRegisters: this.#waiting.size, upstreamBindings: this.size }
  }

  isBarred(flow: Flow): boolean {
    return this.guard.refusalOf(flow, this.isKnown(flow)) !== undefined
  }

  isKnown(flow: Flow): boolean {
    return this.location.ofFlow(flow).length > 0
  }

  onRegister(incoming: IncomingRequest): void {
    if (this.#isStopped) {
      refuseStopped(incoming)
      return
    }
    const { request, flow } = incoming
    const barred = this.guard.refusalOf(flow, this.isKnown(flow))
    if (barred !== undefined) {
      incoming.respond(barred.status, { headers: barred.headers })
      return
    }
    try {
      this.#relay(incoming, readRegister(request, this.#options.config.domain))
    } catch (error) {
      this.#refuse(incoming, error)
    }
  }

  authenticateCaller({ request, flow }: Pick<IncomingInvite, 'request' | 'flow'>): string {
    const [first, ...others] = this.location.ofFlow(flow)
    if (first === undefined) throw new GatewayFailure('upstream.not-registered')
    const { uri } = request.from
    const claimed = isSipUri(uri) && uri.host === this.#options.config.domain ? uri.user : undefined
    const own = [first, ...others].find(({ aor }) => aor === claimed)
    if (own !== undefined) return own.aor
    throw new GatewayFailure('call.wrong-identity', { expected: first.aor, seen: request.from.uri.text })
  }

  bindingsOf(user: string): readonly UpstreamBinding[] {
    return this.location.ofUser(user).filter(({ flow }) => flow.isOpen)
  }

  list(): readonly RegistrationSummary[] {
    const nowMs = this.#options.environment.nowMs()
    return [...this.location.all()].map((binding) => registrationSummary(binding, nowMs))
  }

  /** Its devices may come back; when they do not, the PBX is told. */
  flowClosed(flow: Flow): void {
    const { environment, line } = this.#options
    const graceEndMs = environment.nowMs() + line.config.graceS * 1_000
    for (const binding of this.location.ofFlow(flow)) {
      this.#schedule(binding, Math.min(graceEndMs, binding.expiresAtMs), () =>
        this.#takeBack(binding, () => {}),
      )
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const all = [...this.location.all()]
    await Promise.all(all.map((binding) => new Promise<void>((resolve) => this.#takeBack(binding, resolve))))
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    for (const giveUp of [...this.#waiting]) giveUp()
  }

  #relay(incoming: IncomingRequest, wish: RegisterWish): void {
    const { request, flow } = incoming
    const { environment, line } = this.#options
    const known = this.#known(wish)
    const isNew = wish.device !== undefined && known === undefined && wish.expiresS !== 0
    if (isNew && !this.location.hasPlace(wish.user, flow)) {
      throw new SipFailure('sip.too-many-bindings', { expected: 'a place for one more device' })
    }
    const derived = this.numbers.of(wish.user, request)
    // Ours to take it back may have been the last.
    const cseq = Math.max(derived.cseq, known?.callId === derived.callId ? known.cseq + 1 : 0)
    const numbers = { callId: derived.callId, cseq }
    const credentials = passedCredentials(request)
    const token = known?.token ?? environment.token()
    const way = line.path()
    const headers = [nextHops(request), ...this.#contactHeaders(wish, token, way.flow), ...credentials]
    const plan = {
      name: PBX,
      targets: [{ flow: way.flow, uri: request.uri, party: PBX }],
      from: derived.from,
      to: { ...request.to, parameters: new Map<string, string>() },
      headers: [],
      numbers,
    }
    const leave = this.#limits.enter(flow.scope)
    const relayed: Relayed = { wish, incoming, token, numbers, credentials }
    const giveUp = relayRequest(this.#options, plan, { method: 'REGISTER', headers }, (outcome) => {
      leave()
      way.heard(outcome)
      this.#waiting.delete(giveUp)
      this.#answer(relayed, outcome)
    })
    this.#waiting.add(giveUp)
  }

  #known({ user, device }: RegisterWish): UpstreamBinding | undefined {
    return device === undefined
      ? undefined
      : this.location.ofUser(user).find((binding) => isSameDevice(binding, device))
  }

  #contactHeaders(
    { device, isForAll, expiresS }: RegisterWish,
    token: string,
    flow: Flow,
  ): readonly Header[] {
    const { line } = this.#options
    const expires = expiresS === undefined ? [] : [{ name: 'Expires', value: String(expiresS) }]
    if (isForAll) return [{ name: 'Contact', value: '*' }, ...expires]
    if (device === undefined) return expires
    if (!line.config.path) return [contactFor(device, line.uriOf(token, flow)), ...expires]
    return [
      contactFor(device, device.contact.uri.text),
      ...expires,
      { name: 'Path', value: `<${line.uriOf(token, flow, 'lr')}>` },
      { name: 'Supported', value: 'path' },
    ]
  }

  #answer(relayed: Relayed, outcome: SipResponse | NoAnswer): void {
    const { incoming } = relayed
    const { request, flow } = incoming
    const failure = this.#failureOf(relayed, outcome)
    if (failure !== undefined || typeof outcome === 'string') {
      this.#refuse(incoming, failure, typeof outcome === 'string' ? [] : answeredHeaders(outcome, PBX, 'all'))
      if (typeof outcome === 'object' && isWrongPassword(request, outcome)) this.guard.failed(flow)
      return
    }
    const before = this.location.byToken(relayed.token)
    const listed = this.#commit(relayed, outcome)
    const info = rawValues(outcome, 'Authentication-Info').map((value) => ({
      name: 'Authentication-Info',
      value,
    }))
    const { turn, tickets, onRegistered } = this.#options
    const { user } = relayed.wish
    const gifts = listed.length === 0 ? [] : [turn, tickets].flatMap((giver) => giver?.headerFor(user) ?? [])
    incoming.respond(outcome.status, { headers: [...listed, ...info, ...gifts] })
    const now = this.location.byToken(relayed.token)
    if (this.#isStopped) {
      // It was under way when all others were taken back.
      if (now !== undefined) this.#takeBack(now, () => {})
      return
    }
    if (!flow.isOpen) {
      this.flowClosed(flow)
      return
    }
    const superseded = now === undefined || before === undefined || before.flow === flow ? [] : [before]
    onRegistered({ user, flow, bound: now === undefined ? [] : [now], superseded })
  }

  #failureOf(
    { incoming, credentials }: Relayed,
    outcome: SipResponse | NoAnswer,
  ): GatewayFailure | undefined {
    if (typeof outcome === 'string') return unreachable(outcome)
    if (outcome.status < 300) return undefined
    if (isChallenge(outcome)) return challengeOf({ headers: credentials }, outcome)
    const status = outcome.status < 400 ? undefined : outcome.status
    return new GatewayFailure('upstream.refused', {
      seen: seenIn(outcome),
      ...(status === undefined ? {} : { status }),
      expected: `200 to REGISTER of ${incoming.request.to.uri.text}`,
    })
  }

  /** What the PBX has taken holds here too; the Contact headers of our answer. */
  #commit(relayed: Relayed, response: SipResponse): readonly Header[] {
    const { wish, incoming, token } = relayed
    const { flow } = incoming
    const nowMs = this.#options.environment.nowMs()
    if (wish.device === undefined) {
      if (wish.isForAll) for (const { token: gone } of this.location.ofUser(wish.user)) this.#remove(gone)
      return this.location
        .ofFlow(flow)
        .filter(({ aor }) => aor === wish.user)
        .map(({ contact, expiresAtMs }) => contactOf(contact, Math.ceil((expiresAtMs - nowMs) / 1_000)))
    }
    const isOurs = this.#options.line.config.path ? wish.device.contact.uri : undefined
    const granted = grantedS(response, (uri) =>
      isOurs === undefined ? isSipUri(uri) && uri.user === token : areEqualUris(uri, isOurs),
    )
    const expiresS = wish.expiresS === 0 ? 0 : (granted ?? wish.expiresS ?? DEFAULT_EXPIRES_S)
    const seen = { expiresS, at: 'upstream', source: flow.remote.address }
    const before = this.location.byToken(token)
    const isRefresh = expiresS === 0 ? before === undefined : before?.flow === flow
    if (isRefresh) this.#news.tellRefresh(wish.user, seen)
    else this.#news.tell('registration', wish.user, seen)
    if (expiresS === 0) {
      this.#remove(token)
      return []
    }
    this.#store(this.#bindingOf(relayed, wish.device, response, expiresS))
    return [contactOf(wish.device.contact, expiresS)]
  }

  #bindingOf(
    { incoming, token, numbers, wish, credentials }: Relayed,
    device: NonNullable<RegisterWish['device']>,
    response: SipResponse,
    expiresS: number,
  ): UpstreamBinding {
    const { request, flow } = incoming
    const to = { ...request.to, parameters: new Map<string, string>() }
    return {
      ...device,
      aor: wish.user,
      flow,
      token,
      callId: numbers.callId,
      cseq: numbers.cseq,
      expiresAtMs: this.#options.environment.nowMs() + expiresS * 1_000,
      userAgent: shortUserAgent(request),
      route: serviceRoute(response),
      register: { uri: request.uri, from: this.numbers.of(wish.user, request).from, to, credentials },
    }
  }

  #store(binding: UpstreamBinding): void {
    // Another REGISTER of the same device may have been faster.
    for (const other of this.location.ofUser(binding.aor)) {
      if (other.token !== binding.token && isSameDevice(other, binding)) this.#takeBack(other, () => {})
    }
    this.location.put(binding)
    this.#schedule(binding, binding.expiresAtMs, () => this.#remove(binding.token))
  }

  #schedule({ token }: UpstreamBinding, atMs: number, action: () => void): void {
    this.#timers.get(token)?.()
    this.#timers.set(token, this.#options.environment.schedule(atMs, action))
  }

  #remove(token: string): void {
    this.#timers.get(token)?.()
    this.#timers.delete(token)
    this.location.remove(token)
  }

  /**
   * Un-REGISTER in the name of a user who is not here. We have no password, but what the user has shown with the last REGISTER
   * may still be good for another; a challenge is the end of it, and then the PBX forgets the device when its time is over.
   */
  #takeBack(binding: UpstreamBinding, done: () => void): void {
    this.#remove(binding.token)
    const { environment, line, userAgent } = this.#options
    const { aor: user, register, cseq, callId } = binding
    const report = (outcome: SipResponse | NoAnswer): void => {
      const isDone = typeof outcome === 'object' && outcome.status < 300
      const seen = typeof outcome === 'object' ? seenIn(outcome) : outcome
      this.#news.tell(isDone ? 'registration taken back' : 'registration left to expire', user, { seen })
      done()
    }
    if (binding.expiresAtMs <= environment.nowMs()) {
      done()
      return
    }
    try {
      const { flow } = line.path()
      const wish = { user, device: binding, isForAll: false, expiresS: 0 }
      const { uri, from, to, credentials } = register
      const headers = [...this.#contactHeaders(wish, binding.token, flow), ...credentials]
      const numbers = { callId, cseq: cseq + 1 }
      userAgent.request({ method: 'REGISTER', flow, uri, from, to, numbers, headers }, report)
    } catch (error) {
      if (!(error instanceof GatewayFailure)) throw error
      report('transport')
    }
  }

  #refuse(incoming: IncomingRequest, error: unknown, passed: readonly Header[] = []): void {
    const { request, flow } = incoming
    const [known] = this.location.ofFlow(flow)
    const verdict = verdictOf(error)
    this.#options.refusals.tell('REGISTER refused', {
      verdict,
      error,
      fields: { from: request.from.uri.text, source: flow.remote.address },
      party: known === undefined ? undefined : `user:${known.aor}`,
    })
    const unsupported = error instanceof SipFailure && error.code === 'sip.unsupported-extension'
    const headers = [
      ...passed,
      ...ownHeadersOf(error),
      ...(unsupported ? [{ name: 'Unsupported', value: error.seen ?? '' }] : []),
      ...refusalHeaders(verdict),
    ]
    incoming.respond(verdict.status, { headers })
  }
}
