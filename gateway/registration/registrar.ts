import type { Flow } from '../../sip/flow.ts'
import { type Binding, deviceOf } from '../../sip/registration/location.ts'
import type { IncomingInvite, IncomingRequest } from '../../sip/user-agent.ts'
import type { RegistrationSummary } from './registration-summary.ts'

/** A device that can be called now. */
export type Device = Pick<Binding, 'flow' | 'contact' | 'instance'>

/** A REGISTER was answered 200: who is where now. */
export interface Registered {
  readonly user: string
  readonly flow: Flow
  /** What it has added or refreshed, all on this flow. */
  readonly bound: readonly Device[]
  /** What those have taken the place of, on other flows. */
  readonly superseded: readonly Device[]
}

/**
 * One way to each device, its newest flow. RFC 5626 §5.3: two flows to one device are never tried at a time, or it would
 * ring twice.
 */
export function waysToDevices<Way extends Device>(bindings: readonly Way[]): readonly Way[] {
  const ways = new Map<string, Way>()
  for (const binding of bindings) {
    if (!ways.has(deviceOf(binding))) ways.set(deviceOf(binding), binding)
  }
  return [...ways.values()]
}

/** Who our users are and where they can be reached, whoever keeps the registrations: we (`Registration`), or a PBX (`UpstreamRegistrar`). */
export interface Registrar {
  /** Bindings that are stored. */
  readonly size: number
  /** REGISTER by WebSocket; answered in every case, now or later. */
  onRegister(incoming: IncomingRequest): void
  /**
   * The user who sends this INVITE, or another request. Undefined: challenged or refused, the answer is out. Throws
   * `call.wrong-identity` when From is another than the one who proved to be here, `upstream.not-registered`.
   */
  authenticateCaller(invite: Pick<IncomingInvite, 'request' | 'flow' | 'reject'>): string | undefined
  /** The devices of a user that can be called now, most recently registered first. */
  bindingsOf(user: string): readonly Device[]
  /** Whether somebody has signed in by this WebSocket, and not off. */
  isKnown(flow: Flow): boolean
  /** Whether what comes by this WebSocket is refused without a look at its credentials: its address has guessed too often. */
  isBarred(flow: Flow): boolean
  /** Everybody's registrations, for operators. */
  list(): readonly RegistrationSummary[]
  /** What was reached by this WebSocket is reached no more. */
  flowClosed(flow: Flow): void
  /** Refuses every REGISTER from now on, and takes back what is kept elsewhere; resolves when that has been answered, or will not be. */
  stop(): Promise<void>
  close(): void
}
