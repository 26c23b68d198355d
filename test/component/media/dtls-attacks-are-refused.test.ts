import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DtlsSocket } from 'werift'
import type { DtlsContext } from '../../../media/native/boundary.ts'
import { connectDtlsWire, type DtlsWire, makeDtlsContext, openDtlsWire } from '../../harness/dtls-wire.ts'
import { until } from '../../harness/until.ts'
import {
  encryptedRecord,
  makeWeriftCertificate,
  record,
  seenFingerprint,
  type WeriftCertificate,
  weriftKeys,
} from '../../harness/werift-dtls.ts'

/**
 * Nine ways in which a DTLS endpoint written by hand was once fooled or killed, tried on ours. Each attack runs on the
 * very peer that connects when it is left alone.
 */

const HANDSHAKE = 22
const ALERT = 21
const CHANGE_CIPHER_SPEC = 20
const CLOSE_NOTIFY = Buffer.from([1, 0])

let context: DtlsContext
let victim: WeriftCertificate
let attacker: WeriftCertificate
/** The victim's certificate, which is public, with a key that does not belong to it. */
let stolen: WeriftCertificate
const wires: DtlsWire[] = []

beforeAll(async () => {
  context = makeDtlsContext()
  victim = await makeWeriftCertificate()
  attacker = await makeWeriftCertificate()
  stolen = { ...victim, keyPem: attacker.keyPem }
})

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close()
})

interface Attack {
  readonly ourRole?: 'server' | 'client'
  readonly certificate?: WeriftCertificate
  readonly tamper?: (peer: DtlsSocket) => void
}

function open(attack: Attack): DtlsWire {
  const wire = openDtlsWire({ context, ourRole: 'server', certificate: victim, ...attack })
  wires.push(wire)
  wire.start()
  return wire
}

async function connected(ourRole: 'server' | 'client' = 'server'): Promise<DtlsWire> {
  const wire = await connectDtlsWire({ context, ourRole, certificate: victim })
  wires.push(wire)
  return wire
}

/** Whether the peer sent its ChangeCipherSpec and something after it: all it has to say. */
function hasSentAll({ fromPeer }: DtlsWire): boolean {
  const at = fromPeer.findIndex((datagram) => datagram[0] === CHANGE_CIPHER_SPEC)
  return at >= 0 && fromPeer.length > at + 1
}

/** The association is alive when an authenticated record still has its effect. */
function expectAlive(wire: DtlsWire, before: Buffer): void {
  expect(wire.session.state).toBe('connected')
  expect(wire.session.keys()?.receive).toEqual(before)
  wire.feed(encryptedRecord(wire.peer, ALERT, CLOSE_NOTIFY))
  expect(wire.session.state).toBe('closed')
}

function receiveKey(wire: DtlsWire): Buffer {
  const keys = wire.session.keys()
  if (keys === undefined) throw new Error('not connected')
  return keys.receive
}

describe.each(['server', 'client'] as const)('left alone, with us as %s', (ourRole) => {
  test('the peer connects and both have the same keys', async () => {
    const wire = await connected(ourRole)
    const theirs = weriftKeys(wire.peer)
    expect(wire.session.keys()).toMatchObject({
      suite: theirs.suite,
      receive: Buffer.concat([theirs.localKey, theirs.localSalt]),
      send: Buffer.concat([theirs.remoteKey, theirs.remoteSalt]),
    })
    expect(wire.session.peerFingerprint('sha-256')).toBe(victim.fingerprint)
    expect(seenFingerprint(wire.peer)).toBe(context.fingerprint)
  })
})

describe('during the handshake', () => {
  test('1: a CertificateVerify signed by another key', async () => {
    const wire = open({ certificate: stolen })
    await until(() => wire.session.state === 'failed')
    expect(wire.fromPeer.length).toBeGreaterThan(3)
    expect(wire.session.keys()).toBeUndefined()
  })

  test('2: a ServerKeyExchange signed by another key', async () => {
    const wire = open({ ourRole: 'client', certificate: stolen })
    await until(() => wire.session.state === 'failed')
    expect(wire.session.keys()).toBeUndefined()
  })

  test.each(['server', 'client'] as const)(
    '3: Finished with wrong verify_data, with us as %s',
    async (ourRole) => {
      const wire = open({
        ourRole,
        tamper: (peer) => {
          peer.cipher.verifyData = () => Buffer.alloc(12)
        },
      })
      await until(() => wire.session.state === 'failed')
      expect(hasSentAll(wire)).toBe(true)
      expect(wire.session.keys()).toBeUndefined()
    },
  )

  test.each([0, 1])('4: Finished in clear text, marked epoch %d', async (epoch) => {
    const wire = open({
      tamper: (peer) => {
        peer.cipher.encryptPacket = (packet) => {
          packet.recordLayerHeader.epoch = epoch
          packet.recordLayerHeader.sequenceNumber = 50
          return packet
        }
      },
    })
    await until(() => hasSentAll(wire))
    // What was sent last is delivered by now or in the next turns; twice as many as that takes.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(wire.session.state).not.toBe('connected')
    expect(wire.session.keys()).toBeUndefined()
  })

  test('5: giant fragments, 800 of them', async () => {
    const before = process.memoryUsage().rss
    for (let round = 0; round < 200; round++) {
      const session = context.createSession('server')
      giantFragments().forEach((datagram) => {
        session.feed(datagram)
      })
      expect(session.state).not.toBe('connected')
      session.close()
    }
    // Were the announced 16 MB set aside for each message, this would be 6.4 GB.
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 2 ** 20)
    await connected()
  })

  test('9: garbage that is no record does not even disturb', async () => {
    const wire = openDtlsWire({ context, ourRole: 'server', certificate: victim })
    wires.push(wire)
    for (const datagram of garbage()) wire.feed(datagram)
    expect(wire.session.state).toBe('handshaking')
    wire.start()
    await until(() => wire.session.state === 'connected')
  })

  test('records of the coming epoch, more than are kept, do not crowd out the Finished', async () => {
    const wire = openDtlsWire({ context, ourRole: 'server', certificate: victim })
    wires.push(wire)
    for (let sequence = 0; sequence < 200; sequence++)
      wire.feed(record(HANDSHAKE, 1, sequence, randomBytes(40)))
    wire.start()
    await until(() => wire.session.state === 'connected')
  })

  test('9: malformed handshakes neither connect nor end the process', async () => {
    const hello = await clientHello()
    for (const datagram of mutations(hello)) {
      const session = context.createSession('server')
      session.feed(datagram)
      session.feed(datagram)
      session.take()
      expect(session.state).not.toBe('connected')
      session.close()
    }
    await connected()
  })
})

describe('after the handshake', () => {
  test('6: a plain alert, a plain close_notify, an unknown content type', async () => {
    const wire = await connected()
    const key = receiveKey(wire)
    for (const epoch of [0, 1]) {
      for (const sequence of [0, 60]) {
        wire.feed(record(ALERT, epoch, sequence, Buffer.from([2, 40])))
        wire.feed(record(ALERT, epoch, sequence + 1, CLOSE_NOTIFY))
        for (const type of [0, 19, 25, 99, 255])
          wire.feed(record(type, epoch, sequence + 2, Buffer.alloc(20)))
      }
    }
    expectAlive(wire, key)
  })

  test('7: a ClientHello, the old one and a new one', async () => {
    const wire = await connected()
    const key = receiveKey(wire)
    const [old] = wire.fromPeer
    if (old === undefined) throw new Error('nothing was sent')
    wire.feed(old)
    const fresh = await clientHello()
    for (const sequence of [0, 7, 200]) {
      fresh.writeUIntBE(sequence, 5, 6)
      wire.feed(fresh)
    }
    // RFC 5246 §7.4.1.1: asks a client to begin again.
    wire.feed(record(HANDSHAKE, 0, 61, Buffer.alloc(12)))
    expectAlive(wire, key)
  })

  test('8: every record of the handshake again, and an application record twice', async () => {
    const wire = await connected()
    const key = receiveKey(wire)
    const data = encryptedRecord(wire.peer, 23, Buffer.from('hello'))
    wire.feed(data)
    wire.session.take()
    const replayed = [...wire.fromPeer, data]
    for (const datagram of replayed) {
      wire.session.feed(datagram)
      // Were the last flight answered each time, a replay would be a way to make us send.
      if (datagram.readUInt16BE(3) === 1) expect(wire.session.take()).toEqual([])
      wire.session.take()
    }
    expect(replayed.filter((datagram) => datagram.readUInt16BE(3) === 1).length).toBeGreaterThan(1)
    expectAlive(wire, key)
  })

  test('9: garbage and malformed handshakes', async () => {
    const wire = await connected()
    const key = receiveKey(wire)
    const hello = await clientHello()
    for (const datagram of [...garbage(), ...mutations(hello), ...giantFragments()]) wire.feed(datagram)
    for (let sequence = 300; sequence < 330; sequence++) {
      wire.feed(record(HANDSHAKE, 1, sequence, randomBytes(60)))
    }
    expectAlive(wire, key)
  })

  test('the control: the same alert, encrypted, does end it', async () => {
    const wire = await connected()
    wire.feed(encryptedRecord(wire.peer, ALERT, Buffer.from([2, 40])))
    expect(wire.session.state).toBe('failed')
    expect(wire.session.failure?.alert).toBe(40)
  })
})

/** Four datagrams of 35 bytes: two messages of 16 MB, each by its first and its last ten bytes. */
function giantFragments(): Buffer[] {
  const length = 0xffffff
  return [
    [1, 0],
    [1, length - 10],
    [11, 0],
    [11, length - 10],
  ].map(([type = 0, offset = 0], sequence) => {
    const fragment = Buffer.alloc(22)
    fragment.writeUInt8(type, 0)
    fragment.writeUIntBE(length, 1, 3)
    fragment.writeUIntBE(offset, 6, 3)
    fragment.writeUIntBE(10, 9, 3)
    return record(HANDSHAKE, 0, sequence, fragment)
  })
}

function garbage(): Buffer[] {
  const random = Array.from({ length: 200 }, (_, at) => randomBytes(at))
  const likeDtls = Array.from({ length: 60 }, (_, at) => {
    const bytes = randomBytes(at + 1)
    bytes.writeUInt8(20 + (at % 44), 0)
    return bytes
  })
  return [...random, ...likeDtls]
}

/** A genuine first ClientHello. */
async function clientHello(): Promise<Buffer> {
  const wire = open({})
  await until(() => wire.fromPeer.length > 0)
  return Buffer.from(wire.fromPeer[0] ?? [])
}

/** Each byte of the message changed in turn, and each shorter version of it with a header that fits. */
function mutations(message: Buffer): Buffer[] {
  const changed = Array.from(message.subarray(13), (_, at) => {
    const bytes = Buffer.from(message)
    bytes.writeUInt8(bytes.readUInt8(13 + at) ^ 0xff, 13 + at)
    return bytes
  })
  const shortened = Array.from({ length: message.length - 13 }, (_, length) =>
    record(HANDSHAKE, 0, 1, message.subarray(13, 13 + length)),
  )
  return [...changed, ...shortened]
}
