import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { DtlsSession } from '../../../media/native/boundary.ts'
import { makeDtlsContext } from '../../harness/dtls-wire.ts'

// Interop quirk 10: browsers with post-quantum key exchange send a ClientHello longer than a datagram, with groups, key shares and
// versions that DTLS 1.2 does not know. RFC 6347 §4.2.3, RFC 9147 §5.

const RECORD_HEADER = 13
const HANDSHAKE_HEADER = 12
const X25519_MLKEM768 = 0x11ec
const SUPPORTED_GROUPS = 10
const SUPPORTED_VERSIONS = 43
const KEY_SHARE = 51

/** Cuts the one handshake message of a datagram into records of their own. */
function fragments(version: Buffer, body: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size)
    const record = Buffer.alloc(RECORD_HEADER + HANDSHAKE_HEADER)
    record[0] = 22
    version.copy(record, 1)
    record.writeUIntBE(pieces.length, 5, 6)
    record.writeUInt16BE(HANDSHAKE_HEADER + piece.length, 11)
    record[13] = 1
    record.writeUIntBE(body.length, 14, 3)
    record.writeUIntBE(at, 19, 3)
    record.writeUIntBE(piece.length, 22, 3)
    pieces.push(Buffer.concat([record, piece]))
  }
  return pieces
}

function helloOf(client: DtlsSession): { readonly version: Buffer; readonly body: Buffer } {
  client.start()
  const [datagram] = client.take()
  if (datagram === undefined) throw new Error('no ClientHello')
  return { version: datagram.subarray(1, 3), body: datagram.subarray(RECORD_HEADER + HANDSHAKE_HEADER) }
}

const word = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff])
const extension = (type: number, data: Buffer): Buffer => Buffer.concat([word(type), word(data.length), data])

/** The same ClientHello as a browser of today would say it. */
function postQuantum(hello: Buffer): Buffer {
  let at = 34
  at += 1 + (hello[at] ?? 0) // session id
  at += 1 + (hello[at] ?? 0) // cookie
  at += 2 + hello.readUInt16BE(at) // suites
  at += 1 + (hello[at] ?? 0) // compression
  const kept: Buffer[] = []
  for (let from = at + 2; from < hello.length; ) {
    const [type, length] = [hello.readUInt16BE(from), hello.readUInt16BE(from + 2)]
    const data = hello.subarray(from + 4, from + 4 + length)
    kept.push(type === SUPPORTED_GROUPS ? extension(type, withGroup(data)) : extension(type, data))
    from += 4 + length
  }
  const share = Buffer.concat([word(X25519_MLKEM768), word(1216), randomBytes(1216)])
  const extensions = Buffer.concat([
    ...kept,
    extension(SUPPORTED_VERSIONS, Buffer.from([4, 0xfe, 0xfc, 0xfe, 0xfd])),
    extension(KEY_SHARE, Buffer.concat([word(share.length), share])),
  ])
  return Buffer.concat([hello.subarray(0, at), word(extensions.length), extensions])
}

const withGroup = (groups: Buffer): Buffer =>
  Buffer.concat([word(groups.length), word(X25519_MLKEM768), groups.subarray(2)])

/** `sent`: records that the client does not know of, whose numbers it would use again. */
function exchange(server: DtlsSession, client: DtlsSession, sent: number): void {
  for (let round = 0; round < 10; round++) {
    for (const datagram of server.take()) client.feed(datagram)
    for (const datagram of client.take()) server.feed(renumbered(datagram, sent))
  }
}

/** Records in clear text only: the number of the others is part of what protects them. */
function renumbered(datagram: Buffer, by: number): Buffer {
  const copy = Buffer.from(datagram)
  for (let at = 0; at < copy.length; at += RECORD_HEADER + copy.readUInt16BE(at + 11)) {
    if (copy.readUInt16BE(at + 3) === 0) copy.writeUIntBE(copy.readUIntBE(at + 5, 6) + by, at + 5, 6)
  }
  return copy
}

test.each([
  ['in order', (pieces: Buffer[]) => pieces],
  ['the last one first', (pieces: Buffer[]) => pieces.toReversed()],
  ['each twice', (pieces: Buffer[]) => pieces.flatMap((piece) => [piece, piece])],
])('a ClientHello in pieces, %s, is put together and the handshake completes', (_, order) => {
  const context = makeDtlsContext()
  const [server, client] = [context.createSession('server'), context.createSession('client')]
  const { version, body } = helloOf(client)
  const pieces = fragments(version, body, 40)
  expect(pieces.length).toBeGreaterThan(2)
  for (const piece of order(pieces)) server.feed(piece)
  exchange(server, client, pieces.length)
  expect([server.state, client.state]).toEqual(['connected', 'connected'])
  server.close()
  client.close()
})

test('a post-quantum ClientHello that offers DTLS 1.3 too, in two datagrams, is answered with DTLS 1.2', () => {
  const context = makeDtlsContext()
  const [server, client] = [context.createSession('server'), context.createSession('client')]
  const { version, body } = helloOf(client)
  const pieces = fragments(version, postQuantum(body), 1_100)
  expect(pieces).toHaveLength(2)
  const [first, second] = pieces
  server.feed(first ?? Buffer.alloc(0))
  expect(server.take()).toEqual([])
  server.feed(second ?? Buffer.alloc(0))
  const flight = server.take()
  // ServerHello, in the version of RFC 6347, and no datagram that a browser's path would not carry.
  expect(flight[0]?.[RECORD_HEADER]).toBe(2)
  expect(flight[0]?.readUInt16BE(RECORD_HEADER + HANDSHAKE_HEADER)).toBe(0xfefd)
  expect(Math.max(...flight.map(({ length }) => length))).toBeLessThanOrEqual(1_200)
  expect([server.state, server.failure]).toEqual(['handshaking', undefined])
  server.close()
  client.close()
})
