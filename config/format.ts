import { isIP } from 'node:net'
import convict from 'convict'
import { parse as parseYaml } from 'yaml'
import type { Mistake } from './failure.ts'

/** The kinds of value there are. Those with a parameter read it from the field. */
export type FormatName =
  | 'wholeNumber'
  | 'listenPort'
  | 'yesNo'
  | 'choice'
  | 'text'
  | 'address'
  | 'addresses'
  | 'network'
  | 'host'
  | 'nameServer'
  | 'secret'
  | 'listOf'
  | 'mapping'

/** One key, as convict wants it (`doc`, `format`, `default`, `env`, `nullable`, `sensitive`) plus parameters of its format. */
export interface Field {
  readonly doc: string
  readonly format: FormatName
  /** `null` without `nullable`: the key must be given. */
  readonly default: unknown
  readonly env?: string
  readonly nullable?: boolean
  /** Always true: convict may not print values. Our own messages show all but secrets. */
  readonly sensitive?: true
  /** wholeNumber */
  readonly min?: number
  readonly max?: number
  /** choice */
  readonly oneOf?: readonly string[]
  /** text, secret: what it must look like, and how to call that. */
  readonly pattern?: RegExp
  readonly expected?: string
  /** listOf: the shape of a row (fields by name), or of a plain item. mapping: its fields. */
  readonly row?: Readonly<Record<string, Field>>
  readonly item?: Field
  /** listOf, addresses */
  readonly maxRows?: number
  /** addresses: at most one of IPv4 and one of IPv6. */
  readonly onePerFamily?: true
}

interface Format {
  /** Completes `expected ...`. */
  expected(field: Field): string
  accepts(value: unknown, field: Field): boolean
  /** Reads the text of an environment variable; gives it back unchanged when it cannot be read. */
  read?(text: string): unknown
}

const HOST_NAME =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
/** Only digits and dots, yet no address: a mistyped one, and no name server should be asked for it. */
const NUMERIC_HOST = /^[0-9.]+$/
const MAX_PORT = 65_535
const MAX_ROWS = 10_000
/** Each is a socket. */
const MAX_ADDRESSES = 16
const MAX_SECRET_LENGTH = 256

// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the purpose
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/

const readNumber = (text: string): unknown => (/^\d{1,15}$/.test(text) ? Number(text) : text)
const isWhole = (value: unknown, min: number, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max

const FORMATS: Readonly<Record<FormatName, Format>> = {
  wholeNumber: {
    expected: ({ min = 0, max = Number.MAX_SAFE_INTEGER }) => `a whole number from ${min} to ${max}`,
    accepts: (value, { min = 0, max = Number.MAX_SAFE_INTEGER }) => isWhole(value, min, max),
    read: readNumber,
  },
  listenPort: {
    expected: () => `a port from 0 to ${MAX_PORT}, or off`,
    accepts: (value) => value === 'off' || isWhole(value, 0, MAX_PORT),
    read: readNumber,
  },
  yesNo: {
    expected: () => 'true or false',
    accepts: (value) => typeof value === 'boolean',
    read: (text) => (text === 'true' ? true : text === 'false' ? false : text),
  },
  choice: {
    expected: ({ oneOf = [] }) => oneOf.join(' or '),
    accepts: (value, { oneOf = [] }) => typeof value === 'string' && oneOf.includes(value),
  },
  text: {
    expected: ({ expected = 'text' }) => expected,
    accepts: (value, { pattern = /^.+$/ }) =>
      typeof value === 'string' && !CONTROL_CHARACTER.test(value) && pattern.test(value),
  },
  address: {
    expected: () => 'an IP address',
    accepts: (value) => typeof value === 'string' && isIP(value) !== 0,
  },
  addresses: {
    expected: ({ onePerFamily }) =>
      onePerFamily ? 'an IP address, or one of IPv4 and one of IPv6' : 'an IP address, or a list of them',
    accepts: (value, { maxRows = MAX_ADDRESSES, onePerFamily = false }) => {
      const list: readonly unknown[] = Array.isArray(value) ? value : [value]
      const families = list.map((address) => (typeof address === 'string' ? isIP(address) : 0))
      const isRepeated = new Set(onePerFamily ? families : list).size < list.length
      return list.length > 0 && list.length <= maxRows && !families.includes(0) && !isRepeated
    },
    read: (text) => (/^\[|,/.test(text) ? readList(text) : text),
  },
  network: {
    expected: () => 'an IP address, or a network such as 10.0.0.0/8',
    accepts: (value) => typeof value === 'string' && isNetwork(value),
  },
  host: {
    expected: () => 'a host name or IP address',
    accepts: (value) =>
      typeof value === 'string' &&
      (isIP(value) !== 0 || (HOST_NAME.test(value) && !NUMERIC_HOST.test(value))),
  },
  nameServer: {
    expected: () => 'an address such as 192.0.2.1 or 192.0.2.1:5353, [2001:db8::1]:5353',
    accepts: (value) => typeof value === 'string' && isNameServer(value),
  },
  secret: {
    expected: ({
      expected = `text in quotes, 1 to ${MAX_SECRET_LENGTH} characters, none of them a control character`,
    }) => expected,
    accepts: (value, { pattern = /^/ }) =>
      typeof value === 'string' &&
      value.length >= 1 &&
      value.length <= MAX_SECRET_LENGTH &&
      !CONTROL_CHARACTER.test(value) &&
      pattern.test(value),
  },
  mapping: {
    expected: ({ row = {} }) => `a mapping with ${Object.keys(row).join(', ')}`,
    accepts: (value) => isMapping(value),
  },
  listOf: {
    expected: ({ maxRows = MAX_ROWS }) => `a list of at most ${maxRows}`,
    accepts: (value, { maxRows = MAX_ROWS }) => Array.isArray(value) && value.length <= maxRows,
    read: readList,
  },
}

function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  return family !== 0 && (prefix === undefined || Number(prefix) <= (family === 4 ? 32 : 128))
}

/** What Node.js takes as one: an address, with a port where it is not 53; without a zone. */
function isNameServer(text: string): boolean {
  if (/^[0-9a-f:.]+$/i.test(text) && isIP(text) !== 0) return true
  const [, six = '', four = '', port = '53'] =
    /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  return (isIP(six) === 6 || isIP(four) === 4) && isWhole(Number(port), 1, MAX_PORT)
}

/** `a,b,c`, or a YAML (or JSON) list in brackets. */
function readList(text: string): unknown {
  if (!text.startsWith('[')) return text.split(',').map((item) => item.trim())
  try {
    return parseYaml(text, { prettyErrors: false, logLevel: 'error' })
  } catch {
    return text
  }
}

/** Everything wrong with one value, rows and their keys included. The paths begin with `key`. */
export function mistakesIn(key: string, value: unknown, field: Field): readonly Mistake[] {
  if (value === null && field.nullable === true) return []
  const format = FORMATS[field.format]
  if (!format.accepts(value, field)) {
    return [{ key, expected: format.expected(field), seen: show(value, field) }]
  }
  if (field.format === 'mapping') return mistakesInEntry(key, value, field)
  if (field.format !== 'listOf' || !Array.isArray(value)) return []
  return value.flatMap((entry: unknown, index) => mistakesInEntry(`${key}[${index}]`, entry, field))
}

function mistakesInEntry(key: string, entry: unknown, list: Field): readonly Mistake[] {
  if (list.item !== undefined) return mistakesIn(key, entry, list.item)
  const row = list.row ?? {}
  if (!isMapping(entry))
    return [{ key, expected: `a mapping with ${Object.keys(row).join(', ')}`, seen: kindOf(entry) }]
  const unknown = Object.keys(entry)
    .filter((name) => !Object.hasOwn(row, name))
    .map((name) => unknownKey(`${key}.`, name, Object.keys(row)))
  const wrong = Object.entries(row).flatMap(([name, field]) =>
    mistakesIn(`${key}.${name}`, rowValue(entry, name, field), field),
  )
  return [...unknown, ...wrong]
}

/** What a row holds under a name; left out or empty means the default. */
export const rowValue = (row: Readonly<Record<string, unknown>>, name: string, field: Field): unknown =>
  (Object.hasOwn(row, name) ? row[name] : undefined) ?? field.default

/** A key that is not in the schema. Its value is not shown, nor a name that looks like a misplaced value. */
export function unknownKey(prefix: string, name: string, known: readonly string[]): Mistake {
  const shown = /^[A-Za-z0-9_-]{1,40}$/.test(name) ? name : '(odd key)'
  return { key: `${prefix}${shown}`, expected: `one of ${known.join(', ')}`, seen: 'an unknown key' }
}

export const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What kind of value stands there, without the value. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'a mapping'
  return typeof value === 'string' ? 'text' : `a ${typeof value}`
}

const MAX_SHOWN_LENGTH = 80

function show(value: unknown, field: Field): string {
  if (['secret', 'listOf', 'mapping'].includes(field.format)) return kindOf(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return kindOf(value)
  if (value.length > MAX_SHOWN_LENGTH) return `text of ${value.length} characters`
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, '?')
}

/**
 * Makes the formats known to convict. It joins what they throw into one text, a line for each key; so that no mistake of a
 * list is lost there, each line is the JSON of all mistakes of its key (paths relative to it).
 */
export function registerFormats(): void {
  for (const [name, format] of Object.entries(FORMATS)) {
    convict.addFormat({
      name,
      validate(value: unknown, field) {
        const mistakes = mistakesIn('', value, field as unknown as Field)
        if (mistakes.length > 0) throw new Error(JSON.stringify(mistakes))
      },
      ...(format.read === undefined ? {} : { coerce: format.read }),
    })
  }
}

/** The other end of `registerFormats`: the mistakes in the error of convict's `validate`. */
export function mistakesOfConvict(error: unknown): readonly Mistake[] {
  if (!(error instanceof Error)) throw error
  return error.message.split('\n').flatMap((line) => {
    const end = line.indexOf(': ')
    const key = line.slice(0, end)
    const mistakes = JSON.parse(line.slice(end + 2)) as readonly Mistake[]
    return mistakes.map((mistake) => ({ ...mistake, key: `${key}${mistake.key}` }))
  })
}
