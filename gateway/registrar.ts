import type { Flow } from '../sip/flow.ts'
import type { Binding } from '../sip/location.ts'
import type { IncomingInvite, IncomingRequest } from '../sip/user-agent.ts'

/** A device that can be called now. */
export type Device = Pick<Binding, 'flow' | 'contact' | 'instance'>

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
  /** The devices of a user that are registered by this flow, by `+sip.instance`. */
  instancesOf(user: string, flow: Flow): ReadonlySet<string>
  /** What was reached by this WebSocket is reached no more. */
  flowClosed(flow: Flow): void
  close(): void
}
