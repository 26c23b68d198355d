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
