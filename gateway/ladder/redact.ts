/** ICE passwords, k= and key-mgmt (RFC 4566, 4567), and what stands in their place. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/^(a=ice-pwd:).*$/i, '$1[redacted]'],
  [/^(a=key-mgmt:).*$/i, '$1[redacted]'],
  [/^(k=).*$/i, '$1[redacted]'],
]

/** A session description without what lets a reader listen in or send. */
export function redactSdp(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => (/^a=crypto:/i.test(line) ? redactCrypto(line) : SECRETS.reduce(replace, line)))
    .join('\n')
    .trimEnd()
}

const replace = (line: string, [secret, kept]: (typeof SECRETS)[number]): string => line.replace(secret, kept)

/** RFC 4568 §6.1: one key or several. Lifetime and MKI behind a key are no secrets, and often the trouble. */
const redactCrypto = (line: string): string =>
  /inline:/i.test(line)
    ? line.replace(/inline:[^|;\s]+/gi, 'inline:[redacted]')
    : line.replace(/:.*$/, ':[redacted]')
