import type { Config, TrunkConfig } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { Flow } from '../sip/flow.ts'
import type { SipResponse } from '../sip/message.ts'
import { sipUri } from '../sip/uri.ts'
import type { NoAnswer, SipEnvironment, UserAgent } from '../sip/user-agent.ts'
import { nameAddr } from './identity.ts'
import type { TrunkPath, TrunkTable } from './trunk.ts'
import { TrunkHealth, type TrunkState } from './trunk-health.ts'
import { TrunkRegistration } from './trunk-registration.ts'

export interface TrunkWatchOptions {
  readonly config: Config
  readonly trunks: TrunkTable
  readonly userAgent: UserAgent
  readonly environment: SipEnvironment
  readonly log: Log
  readonly flowTo: (path: TrunkPath) => Flow
  /** Where the peer behind a flow reaches us. */
  readonly sentBy: (flow: Flow) => { readonly host: string; readonly port: number | undefined }
}

/** What goes on between us and the trunks without calls: our registrations there, and whether they live. */
export class TrunkWatch {
  readonly #options: TrunkWatchOptions
  readonly #registrations: readonly TrunkRegistration[]
  readonly #healths: readonly TrunkHealth[]

  constructor(options: TrunkWatchOptions) {
    this.#options = options
    const { environment, log, config } = options
    this.#registrations = config.trunks.flatMap((trunk) => {
      const { account, name } = trunk
      if (account?.register !== true) return []
      const shared = { trunk: name, account, environment, log }
      return new TrunkRegistration({
        ...shared,
        send: (headers, done) => this.#request(trunk, 'REGISTER', headers, done),
        contact: () => this.#contact(trunk, account.user),
      })
    })
    this.#healths = config.trunks
      .filter(({ optionsS }) => optionsS > 0)
      .map((trunk) => {
        const { name, optionsS: intervalS } = trunk
        const ask = (done: (outcome: SipResponse | NoAnswer) => void): void => this.#ask(trunk, done)
        return new TrunkHealth({ trunk: name, intervalS, environment, log, ask })
      })
  }

  start(): void {
    for (const registration of this.#registrations) registration.start()
    for (const health of this.#healths) health.start()
  }

  /** Takes registrations back; resolves when the trunks have answered or will not. */
  async stop(): Promise<void> {
    for (const health of this.#healths) health.stop()
    await Promise.all(this.#registrations.map((registration) => registration.stop()))
  }

  /** How many trunks are in which state, of those that are asked; and at how many we are registered, of those where we should be. */
  counts(): Readonly<Record<TrunkState | 'registered' | 'unregistered', number>> {
    const count = (state: TrunkState): number =>
      this.#healths.filter((health) => health.state === state).length
    const registered = this.#registrations.filter(({ isRegistered }) => isRegistered).length
    const unregistered = this.#registrations.length - registered
    return { up: count('up'), down: count('down'), unknown: count('unknown'), registered, unregistered }
  }

  #ask(trunk: TrunkConfig, done: (outcome: SipResponse | NoAnswer) => void): void {
    this.#request(trunk, 'OPTIONS', [{ name: 'Accept', value: 'application/sdp' }], (outcome, flow) => {
      // A connection on which nobody answers may be one of which the other end is gone; the next request opens another.
      if (outcome === 'timeout') flow.close('no answer')
      done(outcome)
    })
  }

  #request(
    trunk: TrunkConfig,
    method: string,
    headers: readonly { readonly name: string; readonly value: string }[],
    done: (outcome: SipResponse | NoAnswer, flow: Flow) => void,
  ): void {
    const { userAgent } = this.#options
    const flow = this.#flowTo(trunk)
    const { host, port, transport, account } = trunk
    const uri = sipUri({ host, port: port === (transport === 'tls' ? 5061 : 5060) ? undefined : port })
    const us =
      account === undefined
        ? sipUri({ host: this.#options.sentBy(flow).host })
        : sipUri({ user: account.user, host })
    const to = method === 'REGISTER' ? us : uri
    userAgent.request({ method, flow, uri, from: nameAddr(us), to: nameAddr(to), headers }, (outcome) =>
      done(outcome, flow),
    )
  }

  #contact(trunk: TrunkConfig, user: string): string {
    const flow = this.#flowTo(trunk)
    const { transport } = flow
    return sipUri({ user, ...this.#options.sentBy(flow), parameters: { transport } }).text
  }

  #flowTo({ name }: TrunkConfig): Flow {
    const { trunks, flowTo } = this.#options
    const trunk = trunks.get(name)
    if (trunk === undefined) throw new Error(`no trunk ${name}`)
    return flowTo(trunks.pathOf(trunk))
  }
}
