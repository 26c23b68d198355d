/** What a peer offers in a ClientHello (RFC 5246 §7.4.1.2, RFC 6347 §4.2.1), as numbers of the IANA registries. */
export interface ClientHello {
  readonly version: number
  readonly ciphers: readonly number[]
  /** Extension supported_groups (RFC 8422 §5.1.1); undefined: not sent. */
  readonly groups: readonly number[] | undefined
  /** Extension supported_versions (RFC 9147); undefined: not sent. */
  readonly versions: readonly number[] | undefined
}

const RECORD_HEADER = 13
const HANDSHAKE_HEADER = 12
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SUPPORTED_GROUPS = 10
const SUPPORTED_VERSIONS = 43

/** Whether the datagram begins with a ClientHello, whole or a fragment of it. */
export const isClientHello = (datagram: Uint8Array): boolean =>
  datagram[0] === HANDSHAKE && datagram[RECORD_HEADER] === CLIENT_HELLO

/** A ClientHello in one piece; undefined for a fragment and for everything else. Never throws. */
export function parseClientHello(datagram: Uint8Array): ClientHello | undefined {
  if (!isClientHello(datagram)) return undefined
  const hello = new Reader(Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength))
  hello.skip(RECORD_HEADER + HANDSHAKE_HEADER)
  const version = hello.number(2)
  hello.skip(32)
  hello.skip(hello.number(1))
  hello.skip(hello.number(1))
  const ciphers = hello.numbers(hello.number(2))
  hello.skip(hello.number(1))
  const end = hello.number(2)
  let groups: readonly number[] | undefined
  let versions: readonly number[] | undefined
  for (let read = 0; read < end && !hello.isShort; ) {
    const [type, length] = [hello.number(2), hello.number(2)]
    read += 4 + length
    if (type === SUPPORTED_GROUPS) groups = hello.numbers(hello.number(2))
    else if (type === SUPPORTED_VERSIONS) versions = hello.numbers(hello.number(1))
    else hello.skip(length)
  }
  return hello.isShort ? undefined : { version, ciphers, groups, versions }
}

/** Reads on past the end as zeros, and knows that it did. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  isShort = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  number(length: 1 | 2): number {
    const from = this.skip(length)
    return this.isShort ? 0 : this.#bytes.readUIntBE(from, length)
  }

  numbers(octets: number): readonly number[] {
    const from = this.skip(octets)
    if (this.isShort) return []
    return Array.from({ length: octets >> 1 }, (_, index) => this.#bytes.readUInt16BE(from + 2 * index))
  }

  skip(length: number): number {
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) this.isShort = true
    return from
  }
}
