import { SipFailure } from '../failure.ts'
import { isToken, skipBlanks } from './characters.ts'
import { MAX_PARAMETERS } from './parser-limits.ts'

const NONE: ReadonlyMap<string, string> = new Map()
const QUOTE = 0x22
const BACKSLASH = 0x5c

const malformed = (seen: string): SipFailure =>
  new SipFailure('sip.malformed', { expected: ';name=value', seen: JSON.stringify(seen.slice(0, 80)) })

/** @throws SipFailure `sip.too-large` where `count` is more than a value may have */
export function checkParameterCount(count: number): void {
  if (count > MAX_PARAMETERS) {
    throw new SipFailure('sip.too-large', { expected: `${MAX_PARAMETERS} parameters of a value` })
  }
}

/** The index after the closing quote of the quoted string that opens at `start`; -1 when it never closes. */
export function endOfQuoted(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === BACKSLASH) i += 1
    else if (code === QUOTE) return i + 1
  }
  return -1
}

/** Takes the quotes and the quoted pairs away; `text` starts and ends with a quote. */
export function unquote(text: string): string {
  const inner = text.slice(1, -1)
  return inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner
}

/**
 * Quotes any text. Control characters are dropped: the text may be a peer's, and no display name is worth a broken
 * message.
 */
export function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  return `"${text.replace(/[\0-\x1f\x7f]/g, '').replace(/["\\]/g, '\\$&')}"`
}

/**
 * Reads `*(;name[=value])` from `start` to the end of `text`, names in lower case, values unquoted, '' for a flag. Of a
 * repeated name the first counts, as whoever looks for one finds it by reading from the left.
 *
 * @throws SipFailure `sip.malformed`, and `sip.too-large` beyond MAX_PARAMETERS
 */
export function parseParameters(text: string, start: number): ReadonlyMap<string, string> {
  let at = skipBlanks(text, start)
  if (at === text.length) return NONE
  const parameters = new Map<string, string>()
  for (let count = 1; at < text.length; count += 1) {
    if (text.charCodeAt(at) !== 0x3b) throw malformed(text.slice(at))
    checkParameterCount(count)
    at = parseParameter(text, at + 1, parameters)
  }
  return parameters
}

/** Reads one parameter after its semicolon; returns the index of the next semicolon or the end. */
function parseParameter(text: string, start: number, into: Map<string, string>): number {
  const nameStart = skipBlanks(text, start)
  let at = nameStart
  while (at < text.length && isNameCharacter(text.charCodeAt(at))) at += 1
  const name = text.slice(nameStart, at).toLowerCase()
  if (!isToken(name)) throw malformed(text.slice(start))
  at = skipBlanks(text, at)
  if (text.charCodeAt(at) !== 0x3d) {
    if (!into.has(name)) into.set(name, '')
    return at
  }
  const valueStart = skipBlanks(text, at + 1)
  const isQuoted = text.charCodeAt(valueStart) === QUOTE
  const end = isQuoted ? endOfQuoted(text, valueStart) : endOfValue(text, valueStart)
  if (end === -1) throw malformed(text.slice(start))
  const value = text.slice(valueStart, end)
  if (!into.has(name)) into.set(name, isQuoted ? unquote(value) : value)
  return skipBlanks(text, end)
}

/** Not blank, not one of `;` `=`; `isToken` judges the rest. */
const isNameCharacter = (code: number): boolean => code > 0x20 && code !== 0x3b && code !== 0x3d

/** The end of a token, host or address; -1 at a character that can only stand in a quoted string. */
function endOfValue(text: string, start: number): number {
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x3b || code === 0x20 || code === 0x09) break
    if (code === QUOTE || code === 0x2c || code === 0x3c || code === 0x3e) return -1
  }
  return at
}

/** Hosts and addresses may stand bare in Via parameters (`received=::1`). */
const BARE_VALUE = /^[\w\-.!%*+`'~:[\]]+$/

/** `;name=value` for each, quoting where it is needed; '' is written as a flag. */
export function formatParameters(parameters: ReadonlyMap<string, string>): string {
  let text = ''
  for (const [name, value] of parameters) {
    if (value === '') text += `;${name}`
    else text += `;${name}=${BARE_VALUE.test(value) ? value : quote(value)}`
  }
  return text
}

/**
 * Splits at a separator outside quoted strings and angle brackets; the elements are trimmed. An unclosed quote or
 * bracket takes the rest into its element, whose own parser will refuse it.
 */
export function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  if (!text.includes(separator)) return [text.trim()]
  const wanted = separator.charCodeAt(0)
  const elements: string[] = []
  let start = 0
  let isBracketed = false
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === QUOTE && !isBracketed) {
      const end = endOfQuoted(text, i)
      if (end === -1) break
      i = end - 1
    } else if (code === 0x3c) isBracketed = true
    else if (code === 0x3e) isBracketed = false
    else if (code === wanted && !isBracketed) {
      elements.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  elements.push(text.slice(start).trim())
  return elements
}
