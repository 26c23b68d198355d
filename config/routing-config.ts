/** How numbers are written where our users are, so that each has one international form (E.164). */
export interface NumbersConfig {
  /** undefined: only what begins with + is international. */
  readonly countryCode: string | undefined
  /** What stands before a number of the own country, such as 0; '': nothing does. */
  readonly nationalPrefix: string
  /** What stands before a country code, such as 00 or 011. */
  readonly internationalPrefix: string
}

export interface RouteConfig {
  /** The trunk whose calls this is for; undefined: calls of users. */
  readonly from?: string | undefined
  /** Leading characters; '' matches all. One that begins with + is compared with the international form. */
  readonly prefix: string
  /** Instead of a prefix: the whole number has to fit (`number-pattern.ts`). One that begins with \+ as above. */
  readonly pattern?: string | undefined
  /** Characters removed from the front, then `add` put before it. */
  readonly strip: number
  readonly add: string
  /** Instead, with a pattern: the new number, with $1 to $9. */
  readonly replace?: string | undefined
  /** Where it goes: this or `users`; with `from` perhaps neither, then the new number is looked up among users. */
  readonly trunk?: string | undefined
  readonly users?: readonly string[]
}

/** What one party may do to the phone bill. */
export interface PartyLimits {
  /** Calls begun in a minute, all at once or one by one; 0: any number. */
  readonly callsPerMinute: number
  /** undefined: what every call may last. */
  readonly maxDurationS: number | undefined
  /** Beginnings of numbers, in international form where they have one: only these; empty: all. */
  readonly allow: readonly string[]
  /** Not these, whatever `allow` says. */
  readonly deny: readonly string[]
}

export interface UserLimits extends PartyLimits {
  /** Calls a user has placed, and those they have transferred, at a time. */
  readonly maxCalls: number
}

export interface TrunkLimits extends PartyLimits {
  /** Percent of all calls that those from one trunk may be. */
  readonly maxShare: number
}

/** For users and trunks that have none of their own. */
export interface LimitsConfig {
  readonly user: UserLimits
  readonly trunk: TrunkLimits
}

/** Calls that always go out: of any user who has signed in, past every limit. */
export interface EmergencyConfig {
  /** As dialled; `urn:service:sos` calls the first. */
  readonly numbers: readonly string[]
  /** What may stand before them, such as 0 for an outside line; it is not sent. '': nothing. */
  readonly prefix: string
  /** Trunks and groups, in the order to try. */
  readonly trunks: readonly string[]
  /** The number shown for users who have none: where one can call back. */
  readonly callerId: string | undefined
  /** At a time, beside all other calls. */
  readonly maxCalls: number
  /** How long a stop waits for them. */
  readonly drainTimeoutS: number
}
