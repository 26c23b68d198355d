import { describe, expect, test } from 'vitest'
import {
  bindingError,
  bindingSuccess,
  formatStun,
  parseStun,
  STUN_ATTRIBUTE,
  STUN_MAX_ATTRIBUTES,
  STUN_MAX_LENGTH,
  stunUsername,
  verifyIntegrity,
} from '../../../../media/ice/stun.ts'
import { stunErrorCode, stunMappedAddress } from '../../../harness/stun-answers.ts'

const TRANSACTION = Buffer.from('0102030405060708090a0b0c', 'hex')

function request(attributes: readonly [number, Uint8Array][], password?: string): Buffer {
  return formatStun({ class: 'request', transactionId: TRANSACTION, attributes, password })
}

/** A message as formatted, more bytes put behind, the length field made to fit. */
function extended(message: Buffer, more: Buffer): Buffer {
  const bytes = Buffer.concat([message, more])
  bytes.writeUInt16BE(bytes.length - 20, 2)
  return bytes
}

function withoutFingerprint(message: Buffer): Buffer {
  return extended(message.subarray(0, message.length - 8), Buffer.alloc(0))
}

function tlv(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  value.copy(bytes, 4)
  return bytes
}

describe('parse', () => {
  const good = request([[STUN_ATTRIBUTE.username, Buffer.from('a:b')]], 'secret')

  test('what was formatted', () => {
    const message = parseStun(good)
    expect(message).toMatchObject({ class: 'request', method: 1, fingerprint: 'right', integrity: 'present' })
    expect(message?.transactionId).toEqual(TRANSACTION)
    expect(message && stunUsername(message)).toBe('a:b')
    expect(message && verifyIntegrity(message, 'secret')).toBe(true)
  })

  test('every shortened and lengthened datagram is malformed', () => {
    for (let length = 0; length < good.length; length++) {
      expect(parseStun(good.subarray(0, length)), `${length}`).toBeUndefined()
    }
    expect(parseStun(Buffer.concat([good, Buffer.alloc(1)]))).toBeUndefined()
    expect(parseStun(Buffer.concat([good, Buffer.alloc(4)]))).toBeUndefined()
  })

  test('wrong cookie, wrong first bits, attribute past the end, attribute of a wrong length', () => {
    const cookie = Buffer.from(good)
    cookie.writeUInt8(0, 4)
    expect(parseStun(cookie)).toBeUndefined()
    const bits = Buffer.from(good)
    bits.writeUInt8(0x80, 0)
    expect(parseStun(bits)).toBeUndefined()
    const past = withoutFingerprint(request([[STUN_ATTRIBUTE.software, Buffer.alloc(4)]]))
    past.writeUInt16BE(5, 22)
    expect(parseStun(past)).toBeUndefined()
    expect(parseStun(request([[STUN_ATTRIBUTE.priority, Buffer.alloc(8)]]))).toBeUndefined()
    expect(parseStun(request([[STUN_ATTRIBUTE.useCandidate, Buffer.alloc(4)]]))).toBeUndefined()
  })

  test('at most 1 500 bytes and 32 attributes', () => {
    const full = 1500 - 20 - 8 - 4
    expect(request([[STUN_ATTRIBUTE.software, Buffer.alloc(full)]])).toHaveLength(STUN_MAX_LENGTH)
    expect(parseStun(request([[STUN_ATTRIBUTE.software, Buffer.alloc(full)]]))).toBeDefined()
    expect(parseStun(request([[STUN_ATTRIBUTE.software, Buffer.alloc(full + 1)]]))).toBeUndefined()
    const many = (count: number) =>
      request(Array.from({ length: count }, (_, at): [number, Buffer] => [0x9000 + at, Buffer.alloc(0)]))
    expect(parseStun(many(STUN_MAX_ATTRIBUTES - 1))).toBeDefined()
    expect(parseStun(many(STUN_MAX_ATTRIBUTES))).toBeUndefined()
  })

  test('nothing may follow FINGERPRINT', () => {
    expect(parseStun(extended(good, tlv(STUN_ATTRIBUTE.software, Buffer.alloc(4))))).toBeUndefined()
  })

  test('a wrong FINGERPRINT is told', () => {
    const wrong = Buffer.from(good)
    wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1)
    expect(parseStun(wrong)?.fingerprint).toBe('wrong')
    expect(parseStun(withoutFingerprint(good))?.fingerprint).toBe('absent')
  })

  test('attributes after MESSAGE-INTEGRITY do not count', () => {
    const sneaked = extended(
      withoutFingerprint(good),
      Buffer.concat([tlv(STUN_ATTRIBUTE.useCandidate, Buffer.alloc(0)), tlv(0x7777, Buffer.alloc(0))]),
    )
    const message = parseStun(sneaked)
    expect(message?.attributes.has(STUN_ATTRIBUTE.useCandidate)).toBe(false)
    expect(message?.unknown).toEqual([])
    expect(message && verifyIntegrity(message, 'secret')).toBe(true)
  })

  test('of duplicates the first counts', () => {
    const message = parseStun(
      request([
        [STUN_ATTRIBUTE.username, Buffer.from('first')],
        [STUN_ATTRIBUTE.username, Buffer.from('second')],
      ]),
    )
    expect(message && stunUsername(message)).toBe('first')
  })

  test('unknown attributes are listed when comprehension is required', () => {
    const message = parseStun(
      request([
        [0x7fff, Buffer.alloc(3)],
        [0xc057, Buffer.alloc(4)],
        [0x7fff, Buffer.alloc(0)],
        [0x0019, Buffer.alloc(4)],
      ]),
    )
    expect(message?.unknown).toEqual([0x7fff, 0x0019])
  })

  test.each([
    [0x0001, 0x001],
    [0x0020, 0x010],
    [0x0200, 0x080],
    [0x3eef, 0xfff],
  ])('the type %i is a request of method %i', (type, method) => {
    const bytes = request([])
    bytes.writeUInt16BE(type)
    expect(parseStun(bytes)).toMatchObject({ class: 'request', method })
  })

  test('an empty or overlong USERNAME is none', () => {
    for (const length of [0, 509]) {
      const message = parseStun(request([[STUN_ATTRIBUTE.username, Buffer.alloc(length, 'a')]]))
      expect(message && stunUsername(message)).toBeUndefined()
    }
    const longest = parseStun(request([[STUN_ATTRIBUTE.username, Buffer.alloc(508, 'a')]]))
    expect(longest && stunUsername(longest)).toHaveLength(508)
  })
})

describe('responses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['255.0.255.0', '255.0.255.0'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:db8::', '2001:db8:0:0:0:0:0:0'],
    ['2001:db8::7:8', '2001:db8:0:0:0:0:7:8'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:ffff:c000:201'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
  ])('the mapped address %s survives', (address, text) => {
    const message = parseStun(bindingSuccess(TRANSACTION, { address, port: 65_535 }, 'secret'))
    expect(message?.class).toBe('success')
    expect(message && stunMappedAddress(message)).toEqual({ address: text, port: 65_535 })
    expect(message && verifyIntegrity(message, 'secret')).toBe(true)
  })

  test('errors carry code and unknown types; 401 is not signed', () => {
    const unknown = parseStun(bindingError(TRANSACTION, 420, 'secret', [0x7fff, 0x0019]))
    expect(unknown && stunErrorCode(unknown)).toBe(420)
    expect(unknown?.attributes.get(STUN_ATTRIBUTE.unknownAttributes)).toEqual(Buffer.from('7fff0019', 'hex'))
    expect(unknown && verifyIntegrity(unknown, 'secret')).toBe(true)
    const unsigned = parseStun(bindingError(TRANSACTION, 401, undefined))
    expect(unsigned).toMatchObject({ class: 'error', integrity: 'absent', fingerprint: 'right' })
    expect(unsigned && stunErrorCode(unsigned)).toBe(401)
  })
})
