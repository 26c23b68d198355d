import type { Config } from '../../config/config.ts'
import { internationalForm } from './number-plan.ts'

/** Whose a number is: names of users, and the numbers that ring them however they are written. */
export class NumberDirectory {
  readonly #plan: Config['numbers']
  readonly #names: ReadonlySet<string>
  readonly #looks: ReadonlySet<string>
  readonly #users: ReadonlyMap<string, readonly string[]>

  constructor({ users, numbers }: Pick<Config, 'users' | 'numbers'>) {
    this.#plan = numbers
    this.#names = new Set(users.map(({ name }) => name))
    this.#looks = new Set(users.map(({ name }) => lookOf(name)))
    const owners = new Map<string, string[]>()
    for (const user of users) {
      for (const number of new Set((user.numbers ?? []).map((written) => this.#key(written)))) {
        owners.set(number, [...(owners.get(number) ?? []), user.name])
      }
    }
    this.#users = owners
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Whether people would take it for the name of a user. */
  looksLikeName(name: string): boolean {
    return this.#looks.has(lookOf(name))
  }

  /** Users whom this number rings, in the order of the configuration. */
  usersOf(number: string): readonly string[] {
    return this.#users.get(this.#key(number)) ?? []
  }

  isSame(one: string, other: string): boolean {
    return this.#key(one) === this.#key(other)
  }

  #key(number: string): string {
    return internationalForm(number, this.#plan) ?? number
  }
}

/** Without what the eye does not see: case, width, blanks and controls. */
const lookOf = (name: string): string =>
  name
    .normalize('NFKC')
    .replace(/[\p{C}\p{Z}]/gu, '')
    .toLowerCase()
