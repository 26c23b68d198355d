import type { Config } from '../../config/config.ts'
import { UPSTREAM } from '../../config/upstream.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { isSos } from './dialled.ts'
import { NumberDirectory } from './number-directory.ts'
import { guisesByTrunk, guisesOf, inAsciiDigits, internationalForm } from './number-plan.ts'
import { RouteRule } from './route-rule.ts'

/** Who places the call. A trunk reaches users only: it must never get out by another trunk. */
export type Caller =
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'trunk'; readonly trunk: string }

export type ApplicationName = 'echo' | 'tone'

export interface EmergencyDestination {
  readonly kind: 'emergency'
  /** Trunks and groups in the order to try. */
  readonly trunks: readonly string[]
  readonly number: string
}

export type Destination =
  /** All of them ring. `number`: what was called, when it is not their name. */
  | { readonly kind: 'users'; readonly users: readonly string[]; readonly number: string | undefined }
  | { readonly kind: 'application'; readonly name: ApplicationName }
  | EmergencyDestination
  | {
      readonly kind: 'trunk'
      readonly trunk: string
      /** As the trunk gets it. */
      readonly number: string
      /** In international form, where it has one: first as lists of allowed numbers see it, then other ways to write it. */
      readonly forms: readonly string[]
    }
  /** To the PBX that users are registered at, as it was asked. `forms`: as above, of what may be a number to it. */
  | { readonly kind: 'upstream'; readonly forms: readonly string[] }

/** The PBX that users are registered at calls by its registrations, not by numbers. */
export const isPbx = (caller: Caller): boolean => caller.kind === 'trunk' && caller.trunk === UPSTREAM

/** Is told of each rule that was looked at, and why it was not the one; undefined: it was. */
export type RouteNote = (rule: string, whyNot: string | undefined) => void

export interface RouteOptions {
  readonly note?: RouteNote
  /** A name of a user is a number like any other. */
  readonly isMailbox?: boolean
}

const APPLICATIONS: readonly string[] = ['echo', 'tone'] satisfies ApplicationName[]

const isApplication = (name: string): name is ApplicationName => APPLICATIONS.includes(name)

export type RouterConfig = Pick<Config, 'users' | 'numbers' | 'routes' | 'emergency' | 'upstream'>

/** Where dialled numbers go, by the configuration alone. */
export class Router {
  readonly directory: NumberDirectory
  readonly #config: RouterConfig
  readonly #rules: readonly RouteRule[]

  constructor(config: RouterConfig) {
    this.#config = config
    this.directory = new NumberDirectory(config)
    this.#rules = config.routes.map((row, index) => new RouteRule(row, index))
  }

  /**
   * Of a user: emergency numbers, names of users, their numbers, `echo` and `tone`, the first route that fits. Of a trunk: the first route
   * that is for its calls makes another number of it, or names users; then names and numbers of users.
   *
   * Where a PBX keeps the registrations of users, it is asked for them, and for whatever no route is for.
   *
   * Throws `call.unknown-number`, `call.nothing-to-dial`.
   */
  route(dialled: string, caller: Caller, options: RouteOptions = {}): Destination {
    const found = this.find(dialled, caller, options)
    if (found === undefined) throw new GatewayFailure('call.unknown-number', { seen: dialled })
    return found
  }

  /** The same; undefined where there is none. */
  find(dialled: string, caller: Caller, { note = () => {}, isMailbox = false }: RouteOptions = {}) {
    return caller.kind === 'user'
      ? this.#ofUser(dialled, isMailbox, note)
      : this.#ofTrunk(dialled, caller.trunk, note)
  }

  /** Whether a user who dials this makes an emergency call. */
  isEmergency(dialled: string): boolean {
    return this.#emergency(dialled, () => {}) !== undefined
  }

  /** A number as it is, which a trunk has written: where it sends a call on to. */
  toTrunk(trunk: string, number: string): Extract<Destination, { kind: 'trunk' }> {
    const forms = this.#formsOf(number)
    return { kind: 'trunk', trunk, number, forms: [...forms, ...guisesByTrunk(number, this.#config.numbers)] }
  }

  #ofUser(dialled: string, isMailbox: boolean, note: RouteNote): Destination | undefined {
    const emergency = isMailbox ? undefined : this.#emergency(dialled, note)
    if (emergency !== undefined) return emergency
    const hasPbx = this.#config.upstream !== undefined
    const local = isMailbox || hasPbx ? undefined : this.#local(dialled, note)
    if (local !== undefined) return local
    if (isApplication(dialled)) {
      note('applications', undefined)
      return { kind: 'application', name: dialled }
    }
    const match = this.#firstRule(dialled, undefined, note)
    if (match !== undefined) return this.#target(match, dialled)
    if (!hasPbx) return undefined
    note('PBX of registration.registrar', undefined)
    return { kind: 'upstream', forms: this.#formsOf(dialled) }
  }

  #ofTrunk(dialled: string, trunk: string, note: RouteNote): Destination | undefined {
    const match = this.#firstRule(dialled, trunk, note)
    if (match !== undefined && (match.rule.config.users ?? []).length > 0) return this.#target(match, dialled)
    const called = match?.number ?? dialled
    const local = this.#local(called, note)
    // Many trunks leave the + away.
    return local ?? (/^[1-9]\d+$/.test(called) ? this.#local(`+${called}`, note) : undefined)
  }

  /** Before all else: no rule, user or mistake in a route may take one away. */
  #emergency(dialled: string, note: RouteNote): Destination | undefined {
    const { emergency } = this.#config
    if (emergency === undefined) return undefined
    const { numbers, prefix, trunks } = emergency
    const [usual = ''] = numbers
    // Digits of other scripts and blanks around them are typed, or come out of an address book.
    const asked = inAsciiDigits(dialled).trim()
    // `tel:112;phone-context=+49`, as telephones of networks write it (RFC 3966 §5.1.5).
    const { countryCode } = this.#config.numbers
    const inCountry = (known: string): string =>
      countryCode === undefined ? known : `+${countryCode}${known}`
    const number = isSos(dialled)
      ? usual
      : numbers.find((known) => [known, `${prefix}${known}`, inCountry(known)].includes(asked))
    note('emergency numbers', number === undefined ? `${dialled} is none` : undefined)
    return number === undefined ? undefined : { kind: 'emergency', trunks, number }
  }

  #local(called: string, note: RouteNote): Destination | undefined {
    if (this.directory.has(called)) {
      note(`user ${called}`, undefined)
      return { kind: 'users', users: [called], number: undefined }
    }
    const users = this.directory.usersOf(called)
    if (users.length === 0) {
      note('users', `none has the name or the number ${called}`)
      return undefined
    }
    note(`numbers of ${users.join(', ')}`, undefined)
    return { kind: 'users', users, number: called }
  }

  #firstRule(dialled: string, from: string | undefined, note: RouteNote): Match | undefined {
    for (const rule of this.#rules) {
      if (rule.config.from !== from) {
        note(rule.label, `for calls from ${rule.config.from === undefined ? 'users' : rule.config.from}`)
        continue
      }
      const asked = rule.isInternational ? (this.#international(dialled) ?? dialled) : dialled
      const number = rule.apply(asked)
      if (number !== undefined) {
        note(rule.label, undefined)
        return { rule, number }
      }
      note(rule.label, `does not fit ${asked}`)
    }
    return undefined
  }

  #target({ rule, number }: Match, dialled: string): Destination | undefined {
    const { trunk, users = [] } = rule.config
    if (users.length > 0) return { kind: 'users', users, number }
    if (trunk === undefined) return undefined
    if (number === '') {
      throw new GatewayFailure('call.nothing-to-dial', {
        seen: `${JSON.stringify(dialled)} by ${rule.label}`,
      })
    }
    const sent = this.#international(number) ?? number
    const asked = this.#international(dialled) ?? dialled
    const written = rule.isInternational ? [asked, sent] : [sent, asked]
    return { kind: 'trunk', trunk, number, forms: [...new Set([...written, ...this.#formsOf(number)])] }
  }

  #formsOf(number: string): readonly string[] {
    const usual = this.#international(number) ?? number
    return [...new Set([usual, ...guisesOf(number, this.#config.numbers)])]
  }

  #international(number: string): string | undefined {
    return internationalForm(number, this.#config.numbers)
  }
}

interface Match {
  readonly rule: RouteRule
  readonly number: string
}
