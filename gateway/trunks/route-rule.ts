import type { RouteConfig } from '../../config/config.ts'
import { compileNumberPattern, expandReplacement, type NumberPattern } from '../../config/number-pattern.ts'

/** One row of `routes`, ready to be asked. */
export class RouteRule {
  readonly config: RouteConfig
  /** Compared with the number in international form, where it has one. */
  readonly isInternational: boolean
  /** For people: `routes[2] (prefix "0")`. */
  readonly label: string
  readonly #pattern: NumberPattern | undefined

  constructor(config: RouteConfig, index: number) {
    const { prefix, pattern } = config
    this.config = config
    this.isInternational = pattern === undefined ? prefix.startsWith('+') : /^\^?\\\+/.test(pattern)
    this.label = `routes[${index}] (${pattern === undefined ? `prefix "${prefix}"` : `pattern ${pattern}`})`
    this.#pattern = pattern === undefined ? undefined : compileNumberPattern(pattern)
  }

  /** The new number; undefined when the rule is not for this one. */
  apply(number: string): string | undefined {
    const { prefix, strip, add, replace } = this.config
    if (this.#pattern === undefined) {
      return number.startsWith(prefix) ? `${add}${number.slice(strip)}` : undefined
    }
    const groups = this.#pattern.match(number)
    if (groups === undefined) return undefined
    return replace === undefined ? `${add}${number.slice(strip)}` : expandReplacement(replace, groups)
  }
}
