import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { Flow } from '../../sip/flow.ts'
import type { SipRequest } from '../../sip/message/message.ts'
import type { ClientCredentials, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import type { LadderTickets } from '../ladder/ladder-tickets.ts'
import type { Refusals } from '../refusals.ts'
import type { TurnCredentials } from '../web/turn.ts'
import { BrowserUpstream } from './browser-upstream.ts'
import { Extensions } from './extensions.ts'
import type { Registered, Registrar } from './registrar.ts'
import { Registration } from './registration.ts'
import type { TokenGate } from './token-gate.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamLine } from './upstream-line.ts'
import { UpstreamRegistrar } from './upstream-registrar.ts'

export interface RegistrarModeOptions {
  readonly config: Config
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  readonly userAgent: UserAgent
  readonly tokens?: TokenGate | undefined
  readonly turn?: TurnCredentials | undefined
  readonly tickets?: LadderTickets | undefined
  /** The way to the PBX; undefined when we are the registrar. */
  readonly line: UpstreamLine | undefined
  /** A device is registered, by us or by the PBX. */
  readonly onRegistered: (registered: Registered) => void
}

/** Who keeps the registrations, and who signs in to whom. */
export interface RegistrarMode {
  readonly registrar: Registrar
  /** Who judges passwords and tokens of our users; undefined when the PBX does. */
  readonly registration: Registration | undefined
  readonly upstream: Upstream | undefined
  /** The account of ours that a request to the PBX is sent for. */
  readonly accountFor: (flow: Flow, request: SipRequest) => ClientCredentials | undefined
  /** How many extensions are registered at the PBX by us; undefined where we register none. */
  readonly counts: () => Readonly<Record<'registered' | 'unregistered', number>> | undefined
  /** Registers again what we keep at the PBX, which may be over there. */
  readonly renew: () => void
  /** Refuses every REGISTER from now on and takes back what we keep at the PBX; resolves when it has answered, or will not. */
  readonly stop: () => Promise<void>
}

/** The three ways: local; at the PBX by the browsers' own credentials; at the PBX by accounts that we hold. */
export function registrarMode(options: RegistrarModeOptions): RegistrarMode {
  const { config, line } = options
  if (line === undefined) {
    const registration = new Registration(options)
    return {
      registrar: registration,
      registration,
      upstream: undefined,
      accountFor: () => undefined,
      counts: () => undefined,
      renew: () => {},
      stop: () => registration.stop(),
    }
  }
  return line.config.credentials === 'browser'
    ? byBrowsers(options, line, config.domain)
    : byGateway(options, line)
}

function byBrowsers(options: RegistrarModeOptions, line: UpstreamLine, domain: string): RegistrarMode {
  const registrar = new UpstreamRegistrar({ ...options, line })
  return {
    registrar,
    registration: undefined,
    upstream: new BrowserUpstream(line, registrar, domain),
    accountFor: () => undefined,
    counts: () => undefined,
    // Browsers do that themselves, by passwords that we do not have.
    renew: () => {},
    stop: () => registrar.stop(),
  }
}

function byGateway(options: RegistrarModeOptions, line: UpstreamLine): RegistrarMode {
  const registration = new Registration({
    ...options,
    onDevices: (user) => extensions.devicesChanged(user),
  })
  const extensions = new Extensions({ ...options, line, registrar: registration })
  return {
    registrar: registration,
    registration,
    upstream: extensions,
    accountFor: (flow, request) => extensions.accountFor(flow, request),
    counts: () => extensions.counts(),
    renew: () => extensions.renew(),
    stop: async () => {
      await Promise.all([registration.stop(), extensions.stop()])
    },
  }
}
