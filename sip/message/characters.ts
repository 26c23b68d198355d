const TOKEN = new Uint8Array(128)
for (const character of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") {
  TOKEN[character.charCodeAt(0)] = 1
}

/** RFC 3261 §25.1 `token`: at least one character, no separators. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (TOKEN[text.charCodeAt(i)] !== 1) return false
  }
  return text.length > 0
}

/** SP or HTAB, what is left of linear white space once folded lines are joined. */
export const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

/** The first index at or after `from` that is not blank; `text.length` when there is none. */
export function skipBlanks(text: string, from: number): number {
  let i = from
  while (i < text.length && isBlank(text.charCodeAt(i))) i += 1
  return i
}

/** Decimal digits only, no sign, no white space, at most `max`; undefined for anything else. */
export function parseDecimal(text: string, max: number): number | undefined {
  if (text.length === 0 || text.length > 15) return undefined
  let value = 0
  for (let i = 0; i < text.length; i += 1) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value <= max ? value : undefined
}

/**
 * Whether a header value could break out of its line or be cut short by a reader in C. CR and LF are refused always;
 * other control characters only where they are not a quoted pair, which RFC 3261 §25.1 allows even for NUL.
 */
export function hasForbiddenControl(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if ((code >= 0x20 && code !== 0x7f) || code === 0x09) continue
    if (code === 0x0d || code === 0x0a || text.charCodeAt(i - 1) !== 0x5c) return true
  }
  return false
}

/**
 * A copy that shares no memory. What the parser returns are slices of the whole head of its message; a store that
 * keeps one for long would keep all of that.
 */
export const detached = (text: string): string => Buffer.from(text, 'utf8').toString('utf8')
