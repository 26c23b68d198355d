const INSTANCE_KEY = 'webtrunk.instance'

/** `sessionStorage`. */
interface Memory {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/**
 * Which device this page is (RFC 5626 §4.1): a UUID that outlives a reload, so that the gateway knows it again. One for each
 * tab, since two tabs are two phones.
 */
export function deviceInstance(storage: Memory): string {
  const known = storage.getItem(INSTANCE_KEY)
  if (known !== null) return known
  const made = newUuid()
  storage.setItem(INSTANCE_KEY, made)
  return made
}

/** `crypto.randomUUID` exists in secure contexts only, and a page without a microphone may still sign in. */
function newUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const hex = Array.from(bytes, (byte, index) => {
    if (index === 6) return (byte & 0x0f) | 0x40
    return index === 8 ? (byte & 0x3f) | 0x80 : byte
  }).map((byte) => byte.toString(16).padStart(2, '0'))
  const part = (from: number, to: number): string => hex.slice(from, to).join('')
  return [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join('-')
}
