import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import { Secret } from '../../config/secret.ts'
import { createDigestServer, type DigestKey, type DigestServer } from '../../sip/authentication/digest.ts'
import { type DigestAlgorithm, digestHa1 } from '../../sip/authentication/digest-response.ts'
import type { SipCode } from '../../sip/failure.ts'
import type { Flow } from '../../sip/flow.ts'
import { headerValues } from '../../sip/message/headers.ts'
import { type Header, isSipUri, type SipRequest, type Uri } from '../../sip/message/message.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { GuessLimiter } from '../registration/guess-limiter.ts'
import type { Trunk, TrunkTable } from './trunk.ts'
import type { TrunkStates } from './trunk-states.ts'

export interface TrunkDoorOptions {
  readonly config: Config
  readonly trunks: TrunkTable
  readonly environment: SipEnvironment
  readonly states: Pick<TrunkStates, 'noteFailure'>
  readonly log: Log
}

/**
 * A trunk has no password when so many INVITEs in a row were asked for one in vain. Each comes so long after the one before, since
 * calls begin together; one that comes later than FORGET_MS begins a new row.
 */
const UNANSWERED = 3
const ANSWER_MS = 1_000
const FORGET_MS = 32_000
/** Of a name that somebody claims, in our log. */
const MAX_NAME_LENGTH = 64

type Respond = (status: number, options: { readonly headers: readonly Header[] }) => void

/**
 * Whose a request is: of the trunks that its source may be, the one that its certificate, port, domain, registered user or
 * digest names. Whoever is none of them is told what a wrong password is told; operators are told which it was.
 */
export class TrunkDoor {
  readonly #options: TrunkDoorOptions
  readonly #digest: DigestServer
  readonly #guesses = new GuessLimiter()
  /** Challenges in a row without an answer, by the names of those who may have been meant. */
  readonly #unanswered = new Map<string, { readonly count: number; readonly lastMs: number }>()
  readonly #counters = { challenged: 0, refused: 0, barred: 0 }

  constructor(options: TrunkDoorOptions) {
    const { config, environment } = options
    this.#options = options
    this.#digest = createDigestServer({
      realm: config.domain,
      secret: environment.token(),
      nonceLifetimeMs: config.registration.nonceLifetimeS * 1_000,
    })
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  /** Undefined: challenged, the answer is out. Throws `call.forbidden`. */
  identify(request: SipRequest, flow: Flow, respond: Respond): Trunk | undefined {
    const possible = this.#possible(request, flow)
    const secured = possible.filter(({ config }) => config.inbound?.credentials !== undefined)
    const [open] = possible.filter((trunk) => !secured.includes(trunk))
    const hasCredentials = headerValues(request, 'Authorization').length > 0
    if (secured.length > 0 && (open === undefined || hasCredentials)) {
      return this.#signIn(secured, request, flow, respond)
    }
    if (open === undefined) throw this.#refusal(flow)
    return open
  }

  #possible(request: SipRequest, flow: Flow): readonly Trunk[] {
    const { trunks } = this.#options
    // A connection of ours may lead to where the trunk was; only a certificate says that it still is.
    const isProven = flow.transport === 'tls' || trunks.isAt(flow.remote, flow.transport)
    if (flow.peer !== undefined && isProven) {
      return [trunks.get(flow.peer)].filter((trunk) => trunk !== undefined)
    }
    const there = trunks
      .bySource(flow.remote, flow.transport)
      .filter(({ config }) => config.tls?.requireCertificate !== true)
    const hosts = [request.uri, request.to.uri].flatMap(hostOf)
    const user = isSipUri(request.uri) ? request.uri.user : undefined
    const inDomain = there.filter(({ config: { inbound } }) =>
      inbound?.domain === undefined ? true : hosts.includes(inbound.domain),
    )
    return [
      ({ config }: Trunk) => config.inbound?.domain !== undefined,
      (trunk: Trunk) => listensAt(trunk, flow),
      ({ config: { account } }: Trunk) => account?.register === true && account.user === user,
    ].reduce(narrowed, inDomain)
  }

  #signIn(secured: readonly Trunk[], request: SipRequest, flow: Flow, respond: Respond): Trunk | undefined {
    const nowMs = this.#options.environment.nowMs()
    const { address } = flow.remote
    if (this.#guesses.isBarred(address, nowMs)) {
      this.#counters.barred += 1
      throw this.#refusal(flow)
    }
    const named = (user: string): Trunk | undefined =>
      secured.find(({ config }) => config.inbound?.credentials?.user === user)
    let user = ''
    const verdict = this.#digest.verify(request, nowMs, (claimed) => {
      user = claimed
      return this.#keyOf(named(claimed))
    })
    if (verdict.kind !== 'challenge') this.#unanswered.delete(namesOf(secured))
    if (verdict.kind === 'accepted') return named(verdict.user)
    if (verdict.kind === 'refused') throw this.#wrong(verdict.failure.code, user, secured, flow)
    this.#counters.challenged += 1
    // A ping is as good without the answer, and credentials that are out of date are some.
    if (request.method === 'INVITE' && !verdict.stale) this.#challenged(secured, nowMs, address)
    const isAskedFor = algorithmsFor(secured)
    const headers = this.#digest
      .challenges(nowMs, verdict)
      .filter((value) => isAskedFor(value.includes('algorithm=MD5')))
      .map((value) => ({ name: 'WWW-Authenticate', value }))
    respond(401, { headers })
    return undefined
  }

  #wrong(code: SipCode, user: string, secured: readonly Trunk[], flow: Flow): GatewayFailure {
    const { environment, states } = this.#options
    const { address } = flow.remote
    const how = `${code === 'sip.bad-credentials' ? 'wrong password' : 'unusable credentials'} of ${JSON.stringify(user.slice(0, MAX_NAME_LENGTH))}`
    // Only a nonce of ours shows that the address is not forged, and nobody else's fault is to bar a trunk.
    if (code === 'sip.bad-credentials') {
      this.#guesses.failed(address, environment.nowMs())
      for (const { config } of secured) states.noteFailure(config.name, `sign-in from ${address}: ${how}`)
    }
    return this.#refusal(flow, { expected: `inbound.user of trunk ${namesOf(secured)}`, seen: how })
  }

  /** Told once, until one is answered. */
  #challenged(secured: readonly Trunk[], nowMs: number, address: string): void {
    const names = namesOf(secured)
    const { count, lastMs } = this.#unanswered.get(names) ?? { count: 0, lastMs: Number.NEGATIVE_INFINITY }
    const sinceMs = nowMs - lastMs
    if (count === UNANSWERED || sinceMs < ANSWER_MS) return
    const next = sinceMs > FORGET_MS ? 1 : count + 1
    this.#unanswered.set(names, { count: next, lastMs: nowMs })
    if (next < UNANSWERED) return
    const { states, log } = this.#options
    log.warn('trunk does not sign in', { trunk: names, source: address })
    const [only, another] = secured
    if (only === undefined || another !== undefined) return
    states.noteFailure(only.config.name, `asks from ${address} without a password, and inbound.user is set`)
  }

  #keyOf(trunk: Trunk | undefined): DigestKey | undefined {
    const credentials = trunk?.config.inbound?.credentials
    if (credentials === undefined || credentials.md5) return credentials
    const { domain } = this.#options.config
    const hashed = (algorithm: DigestAlgorithm): Secret =>
      new Secret(digestHa1(algorithm, credentials.user, domain, credentials.password.reveal()))
    return { ha1: { 'SHA-256': hashed('SHA-256'), 'SHA-512-256': hashed('SHA-512-256') } }
  }

  #refusal({ remote }: Flow, { expected = '', seen = '' } = {}): GatewayFailure {
    this.#counters.refused += 1
    return new GatewayFailure('call.forbidden', {
      ...(expected === '' ? {} : { expected }),
      seen: seen === '' ? remote.address : `${seen} from ${remote.address}`,
    })
  }
}

/** Those of whom a sign holds; all, where it holds of none. */
function narrowed(trunks: readonly Trunk[], holds: (trunk: Trunk) => boolean): readonly Trunk[] {
  const found = trunks.filter(holds)
  return trunks.length < 2 || found.length === 0 ? trunks : found
}

/** Of one that answers MD5 alone, or not at all, MD5 is all that is asked; not where another in its place must not answer it. */
function algorithmsFor(secured: readonly Trunk[]): (isMd5: boolean) => boolean {
  const all = secured.map(({ config }) => config.inbound?.credentials)
  const takesMd5 = all.some((one) => one?.md5 === true)
  const takesNothingElse = all.some((one) => one?.md5Only === true) && all.every((one) => one?.md5 === true)
  return (isMd5) => (isMd5 ? takesMd5 : !takesNothingElse)
}

const namesOf = (trunks: readonly Trunk[]): string => trunks.map(({ config }) => config.name).join(' or ')

const hostOf = (uri: Uri): readonly string[] => (isSipUri(uri) ? [uri.host] : [])

/** A peer over UDP sends from where it listens, and connections of one often do not. */
const listensAt = ({ servers }: Trunk, { remote }: Flow): boolean =>
  servers.some(({ paths }) =>
    paths.some((path) => path.remote.address === remote.address && path.remote.port === remote.port),
  )
