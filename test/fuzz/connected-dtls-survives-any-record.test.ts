/**
 * What broke: Node's OpenSSL 3.0.19 ended a connected session over an unauthenticated datagram. It skips the header of a
 * record that announces more than there is, reads on behind it, and dies of a protected record too short for nonce and tag.
 * The fuzzers in C++ link the system's OpenSSL; this runs on the one that Node brings.
 */
import { expect, test } from 'vitest'
import type { DtlsSession } from '../../media/native/boundary.ts'
import { native } from '../../media/native/index.ts'

const DATAGRAMS = 60_000

function connectedServer(): DtlsSession {
  const certificate = native.createCertificate({ commonName: 'test', days: 1, names: [] })
  const context = native.createDtlsContext({ ...certificate, suites: ['AEAD_AES_128_GCM'], mtu: 1200 })
  const server = context.createSession('server')
  const client = context.createSession('client')
  client.start()
  for (let flight = 0; flight < 3; flight++) {
    for (const datagram of client.take()) server.feed(datagram)
    for (const datagram of server.take()) client.feed(datagram)
  }
  client.close()
  return server
}

/** Xorshift: the same datagrams each time. */
function randomSource(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function randomRecord(random: (below: number) => number): Buffer {
  const length = random(8) === 0 ? random(600) : random(80)
  const body = Buffer.from(Array.from({ length }, () => random(256)))
  const type = random(5) === 0 ? random(256) : 20 + random(5)
  const header = Buffer.alloc(13)
  header.set([type, 0xfe, random(4) === 0 ? 0xff : 0xfd, 0, random(4) === 0 ? random(3) : 1])
  header.writeUInt16BE(random(0x10000), 9)
  header.writeUInt16BE(random(10) === 0 ? random(0x10000) : length, 11)
  return Buffer.concat([header, body])
}

/** A whole record, one that announces too much, a protected one that is too short. */
const FINDING = [
  '15fefd00010000000000490048b42dfce222f6e691b64f818599b7f6e5fa61cf5f7e350c6d6a515b85e237a21adda367c9a6ca2411bfea82d8fa42f273fbf92749507bb42435f930dc71e3c3a3069455e9194897c9',
  '16fefd0001000000000226bbd526bba32c94d8e4ef5c9bb95fb9',
  '14fefd000100000000012300031bfade',
].join('')

test('a short record behind one that announces too much', () => {
  const server = connectedServer()
  server.feed(Buffer.from(FINDING, 'hex'))
  expect(server.state).toBe('connected')
  server.close()
})

test('datagrams of random records', () => {
  const server = connectedServer()
  const random = randomSource(20_251_120)
  for (let i = 0; i < DATAGRAMS; i++) {
    const datagram = Buffer.concat(Array.from({ length: 1 + random(3) }, () => randomRecord(random)))
    server.feed(datagram)
    if (server.state !== 'connected') expect.fail(`ended by ${datagram.toString('hex')}`)
  }
  expect(server.keys()).toBeDefined()
  expect(server.take()).toEqual([])
  server.close()
})
