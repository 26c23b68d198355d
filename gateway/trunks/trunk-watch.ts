import type { Config, TrunkAccountConfig, TrunkConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { Flow } from '../../sip/flow.ts'
import type { Header, SipResponse } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import type { NoAnswer, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { isWorthAnother } from '../calls/fail-over.ts'
import { nameAddr } from '../calls/identity.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { AccountRegistration, type Registered } from '../registration/account-registration.ts'
import { RegistrationWay } from './registration-way.ts'
import { noWayTo, type TrunkPath, type TrunkTable } from './trunk.ts'
import { domainAt } from './trunk-account.ts'
import type { TrunkChoice } from './trunk-choice.ts'
import { isAlive, TrunkHealth, type TrunkState } from './trunk-health.ts'
import type { TrunkStates } from './trunk-states.ts'
import { trunkUri } from './trunk-uri.ts'

export interface TrunkWatchOptions {
  readonly config: Config
  readonly trunks: TrunkTable
  readonly choice: TrunkChoice
  readonly states: TrunkStates
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly log: Log
  readonly flowTo: (path: TrunkPath) => Flow
  /** Where the peer behind a flow reaches us. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
}

/** Addresses of one trunk that are asked whether they live. */
const MAX_ASKED = 16

/** What goes on between us and the trunks without calls: our registrations there, and whether they live. */
export class TrunkWatch {
  readonly #options: TrunkWatchOptions
  /** By name of the trunk. */
  readonly #registrations: ReadonlyMap<string, AccountRegistration>
  readonly #healths: readonly TrunkHealth[]

  constructor(options: TrunkWatchOptions) {
    this.#options = options
    const { environment, log, config, states } = options
    this.#registrations = new Map(
      config.trunks.flatMap((trunk) => {
        const { account, name } = trunk
        if (account?.register !== true) return []
        const way = new RegistrationWay()
        const registration = new AccountRegistration({
          owner: { kind: 'trunk', name },
          expiresS: account.expiresS,
          isBulk: account.bulk,
          environment,
          log,
          send: (headers, done) => this.#register(trunk, way, headers, done),
          contact: () => this.#contact(trunk, way, account),
          onFailed: (reason) =>
            states.noteFailure(
              name,
              `REGISTER: ${reason === 'transport' || reason === 'timeout' ? states.seenOf(name, reason) : reason}`,
            ),
        })
        return [[name, registration] as const]
      }),
    )
    this.#healths = config.trunks
      .filter(({ optionsS }) => optionsS > 0)
      .map((trunk) => {
        const { name, optionsS: intervalS } = trunk
        const ask = (done: (outcome: SipResponse | NoAnswer) => void): void => this.#ask(trunk, done)
        const onState = (state: TrunkState): void => this.#onHealth(name, state)
        const seenOf = (outcome: SipResponse | NoAnswer): string => states.seenOf(name, outcome)
        return new TrunkHealth({ trunk: name, intervalS, environment, log, ask, seenOf, onState })
      })
  }

  start(): void {
    for (const registration of this.#registrations.values()) registration.start()
    for (const health of this.#healths) health.start()
  }

  /** Registers again at every trunk: what they keep may be over. */
  renew(): void {
    for (const registration of this.#registrations.values()) registration.renew()
  }

  /** Takes registrations back; resolves when the trunks have answered or will not. */
  async stop(): Promise<void> {
    for (const health of this.#healths) health.stop()
    await Promise.all([...this.#registrations.values()].map((registration) => registration.stop()))
  }

  /** Undefined where we do not register. */
  isRegistered(trunk: string): boolean | undefined {
    return this.#registrations.get(trunk)?.isRegistered
  }

  /** How many trunks are in which state, of those that are asked; and at how many we are registered, of those where we should be. */
  counts(): Readonly<Record<TrunkState | 'registered' | 'unregistered', number>> {
    const count = (state: TrunkState): number =>
      this.#healths.filter((health) => health.state === state).length
    const all = [...this.#registrations.values()]
    const registered = all.filter(({ isRegistered }) => isRegistered).length
    const unregistered = all.length - registered
    return { up: count('up'), down: count('down'), unknown: count('unknown'), registered, unregistered }
  }

  /** A trunk that comes back may have been started again, and know nobody. */
  #onHealth(trunk: string, state: TrunkState): void {
    const { states } = this.#options
    const wasDown = states.healthOf(trunk) === 'down'
    states.noteHealth(trunk, state)
    if (wasDown && state === 'up') this.#registrations.get(trunk)?.renew()
  }

  /** Every address is asked, so that calls know which of them answer; one that does is a trunk that lives. */
  #ask(trunk: TrunkConfig, done: (outcome: SipResponse | NoAnswer) => void): void {
    const { states, trunks } = this.#options
    const now = trunks.get(trunk.name)
    const paths = now?.servers.flatMap((server) => server.paths) ?? []
    if (paths.length === 0) throw noWayTo(now === undefined ? [] : [now])
    let waiting = Math.min(paths.length, MAX_ASKED)
    for (const path of paths.slice(0, MAX_ASKED)) {
      const headers = [{ name: 'Accept', value: 'application/sdp' }]
      this.#request(path, 'OPTIONS', headers, (outcome) => {
        waiting -= 1
        if (isAlive(outcome)) states.answered(path)
        else if (outcome !== 'overload') states.failed(path, outcome)
        if (isAlive(outcome) || waiting === 0) done(outcome)
      })
    }
  }

  /** At one address; after it has failed, the next try is at another. */
  #register(trunk: TrunkConfig, way: RegistrationWay, headers: readonly Header[], done: Registered): void {
    const { states, choice } = this.#options
    const ways = choice.waysTo([trunk.name])
    const path = this.#wayTo(trunk, way, ways)
    this.#request(path, 'REGISTER', headers, (outcome) => {
      if (outcome === 'overload') {
        done(outcome)
        return
      }
      if (isWorthAnother(outcome)) {
        states.failed(path, outcome)
        done(outcome, way.failed(path, ways))
        return
      }
      states.answered(path)
      if (typeof outcome === 'object' && outcome.status < 300) way.succeeded()
      done(outcome)
    })
  }

  #request(
    path: TrunkPath,
    method: string,
    headers: readonly Header[],
    done: (outcome: SipResponse | NoAnswer) => void,
  ): void {
    const { userAgent, flowTo, sentBy } = this.#options
    const { trunk } = path
    const { account } = trunk
    const flow = flowTo(path)
    const uri = trunkUri(trunk)
    const us =
      account === undefined
        ? sipUri({ host: sentBy(flow).host })
        : sipUri({ user: account.user, host: domainAt(trunk) })
    const to = method === 'REGISTER' ? us : uri
    userAgent.request({ method, flow, uri, from: nameAddr(us), to: nameAddr(to), headers }, done)
  }

  /** RFC 6140 §5.2: a Contact for all numbers has no user. */
  #contact(trunk: TrunkConfig, way: RegistrationWay, { user, bulk }: TrunkAccountConfig): string {
    const { choice, flowTo } = this.#options
    const flow = flowTo(this.#wayTo(trunk, way, choice.waysTo([trunk.name])))
    const { transport } = flow
    const parameters = { transport, ...(bulk ? { bnc: '' } : {}) }
    return sipUri({ ...(bulk ? {} : { user }), ...this.#options.sentBy(flow), parameters }).text
  }

  /** Throws `trunk.unresolved`. */
  #wayTo({ host }: TrunkConfig, way: RegistrationWay, ways: readonly TrunkPath[]): TrunkPath {
    const path = way.choose(ways, (other) => this.#options.states.isResting(other))
    if (path === undefined) throw new GatewayFailure('trunk.unresolved', { seen: host })
    return path
  }
}
