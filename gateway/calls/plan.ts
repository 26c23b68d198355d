import type { Flow } from '../../sip/flow.ts'
import type { Header, NameAddr, SipResponse, Uri } from '../../sip/message/message.ts'
import type { NoAnswer, RequestNumbers } from '../../sip/user-agent.ts'
import type { GatewayFailure } from '../gateway-failure.ts'
import type { ApplicationName } from '../trunks/router.ts'
import type { Unreached } from '../trunks/trunk-states.ts'
import type { Ticket } from './admission.ts'
import type { HeaderPolicy } from './header-policy.ts'
import type { Identity } from './identity.ts'
import type { LegMedia } from './leg.ts'

/** Who calls, as far as a call needs to know. */
export interface CallerPlan {
  /** `user:alice` or `trunk:pbx`. */
  readonly name: string
  /** Who calls, for a party that is called for them later. */
  readonly identity: Identity
  readonly media: LegMedia
  /** What it sees of the callee's headers. */
  readonly passHeaders: HeaderPolicy
}

/** What a leg is opened for. */
export type LegPlan = Pick<CallerPlan, 'name' | 'media' | 'passHeaders'>

/** One way to reach the callee: a device of a user, or the trunk. */
export interface Target {
  readonly flow: Flow
  readonly uri: Uri
  /** Who answers there: one of several users that ring. */
  readonly party: string
  /**
   * Of the device of a user, which may come back by another connection: another way to it, when this one has failed.
   * Called once.
   */
  readonly next?: () => Target | undefined
}

export interface PartyPlan {
  readonly kind: 'party'
  /** The party called; which user answers is said by the target. */
  readonly name: string
  readonly media: LegMedia
  /** Called in parallel; the first to answer has the call. */
  readonly targets: readonly Target[]
  readonly from: NameAddr
  readonly to: NameAddr
  /** It always goes out; a call of this plan is never ended for its length. */
  readonly isEmergency?: boolean
  /** What it sees of the caller's headers. */
  readonly passHeaders: HeaderPolicy
  /** Headers of the INVITE beside those that every one has. */
  readonly headers: readonly Header[]
  /** Where a 3xx may send us (lower case); a Contact elsewhere is not followed. */
  readonly redirectHosts: ReadonlySet<string>
  /** Throws when that is not for this call; left out: it is. */
  readonly checkRedirection?: (uri: Uri) => void
  /** Why there was no connection to it just now, or no answer of it, when we know more than that. */
  readonly trouble?: (how: NoAnswer) => string | undefined
  /** The party has shown a sign of life. */
  readonly onReached?: () => void
  /**
   * What to try instead, since the party has not taken the call and it has not rung yet; undefined: nothing is left. Each
   * call of it takes one way off the list.
   */
  readonly next?: (how: Unreached) => PartyPlan | undefined
  /** User name of our account there, that answers its challenges. */
  readonly account?: string | undefined
  /** Through where the INVITE goes (RFC 3608). */
  readonly route?: readonly string[]
  /** What it goes on with, where it is the second half of a sign-in. */
  readonly numbers?: RequestNumbers
  /** What an outcome means that means something else with this party. */
  readonly failureOf?: (outcome: SipResponse | NoAnswer) => GatewayFailure | undefined
}

export interface ApplicationPlan {
  readonly kind: 'application'
  readonly name: string
  readonly application: ApplicationName
}

export type CalleePlan = ApplicationPlan | PartyPlan

/** Where a call or a transfer leads, and the place it takes among the calls of the party that asked for it. */
export interface AdmittedPlan {
  readonly callee: CalleePlan
  readonly ticket: Ticket
}
