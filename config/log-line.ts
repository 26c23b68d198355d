/** What a line says beside its message. */
export type LogFields = Readonly<Record<string, unknown>>

const MAX_DEPTH = 6
const MAX_ENTRIES = 50
const MAX_TEXT_LENGTH = 2_000
/** A stack may be longer than other text. */
const MAX_STACK_LENGTH = 8_000

/** C0, DEL, C1, line separators and text-direction marks: what could forge a line or mislead a reader's eye. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escaping them is the purpose
export const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const escapeUnsafe = (text: string): string =>
  text.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** `{"time":...,"level":...,"message":...,<fields>}`; a field cannot take one of those three names. */
export function renderJson(time: Date, level: string, message: string, fields: LogFields): string {
  const line = {
    ...(plain(fields, 0) as LogFields),
    time: time.toISOString(),
    level,
    message: shortened(message, MAX_TEXT_LENGTH),
  }
  const { time: at, level: severity, message: text, ...rest } = line
  // Outside of strings JSON has none of these characters, and inside of them the escape means the same.
  return escapeUnsafe(JSON.stringify({ time: at, level: severity, message: text, ...rest }))
}

/** `12:34:56.789 warn  message  name=value name="other value"`; a stack follows on lines of its own. */
export function renderPretty(time: Date, level: string, message: string, fields: LogFields): string {
  const clock = time.toISOString().slice(11, 23)
  const stacks: string[] = []
  const shown = Object.entries(fields).map(([name, value]) => {
    if (value instanceof Error) stacks.push(...stacksOf(value))
    const text = value instanceof Error ? `${value.name}: ${value.message}` : plain(value, 1)
    return text === undefined ? '' : `  ${escapeUnsafe(name)}=${prettyValue(text)}`
  })
  const head = `${clock} ${level.padEnd(5)} ${escapeUnsafe(shortened(message, MAX_TEXT_LENGTH))}${shown.join('')}`
  const frames = stacks.flatMap((stack) => stack.split('\n').map((frame) => `\n    ${escapeUnsafe(frame)}`))
  return `${head}${frames.join('')}`
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:@/+~-]+$/.test(value)) return value
  return escapeUnsafe(JSON.stringify(value))
}

/** The value as JSON can hold it: no cycles, no bytes, bounded in depth, breadth and length. Undefined is left out. */
function plain(value: unknown, depth: number): unknown {
  try {
    return plainUnguarded(value, depth)
  } catch {
    // A getter or toJSON of the value threw; a log line is no place to fail.
    return '[unreadable]'
  }
}

function plainUnguarded(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return shortened(value, MAX_TEXT_LENGTH)
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return '[function]'
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return plainError(value, depth)
  // Bytes may be keys.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (depth >= MAX_DEPTH) return '[deeper]'
  // `Secret` first of all; dates too.
  if ('toJSON' in value && typeof value.toJSON === 'function') return plain(value.toJSON(), depth + 1)
  if (value instanceof Map) return plain(Object.fromEntries(value), depth)
  if (value instanceof Set) return plain([...value], depth)
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item) => plain(item, depth + 1) ?? null)
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ENTRIES)
      .map(([name, inner]) => [name, plain(inner, depth + 1)] as const),
  )
}

function plainError(error: Error, depth: number): unknown {
  return {
    name: error.name,
    message: shortened(error.message, MAX_TEXT_LENGTH),
    ...('code' in error ? { code: plain(error.code, depth + 1) } : {}),
    stack: stackOf(error),
    ...(error.cause === undefined || depth >= MAX_DEPTH ? {} : { cause: plain(error.cause, depth + 1) }),
  }
}

/** That of the error and of its causes. */
function stacksOf(error: Error): readonly string[] {
  const stacks = [stackOf(error)]
  let { cause } = error
  while (cause instanceof Error && stacks.length < MAX_DEPTH) {
    stacks.push(`caused by ${stackOf(cause)}`)
    cause = cause.cause
  }
  return stacks
}

const stackOf = (error: Error): string => shortened(error.stack ?? error.message, MAX_STACK_LENGTH)

const shortened = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}... (${text.length} characters)`
