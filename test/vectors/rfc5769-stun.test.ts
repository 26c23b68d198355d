import { describe, expect, test } from 'vitest'
import {
  parseStun,
  STUN_ATTRIBUTE,
  type StunMessage,
  stunUsername,
  verifyIntegrity,
} from '../../media/ice/stun.ts'
import { stunMappedAddress } from '../harness/stun-answers.ts'

/** RFC 5769 §2: short-term credentials. */
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt'

/** §2.1 */
const REQUEST = `
  00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
  00 24 00 04 6e 00 01 ff
  80 29 00 08 93 2f f9 b1 51 26 3b 36
  00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
  00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2
  80 28 00 04 e5 7a 3b cf`

/** §2.2 */
const RESPONSE_IPV4 = `
  01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 08 00 01 a1 47 e1 12 a6 43
  00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
  80 28 00 04 c0 7d 4c 96`

/** §2.3 */
const RESPONSE_IPV6 = `
  01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
  80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
  00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
  00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
  80 28 00 04 c8 fb 0b 4c`

function parsed(hex: string): StunMessage {
  const message = parseStun(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
  if (message === undefined) throw new Error('the vector does not parse')
  return message
}

describe('RFC 5769', () => {
  test('§2.1 request', () => {
    const message = parsed(REQUEST)
    expect(message).toMatchObject({ class: 'request', method: 1, fingerprint: 'right', unknown: [] })
    expect(stunUsername(message)).toBe('evtj:h6vY')
    expect(message.attributes.get(STUN_ATTRIBUTE.software)?.toString()).toBe('STUN test client')
    expect(message.attributes.get(STUN_ATTRIBUTE.priority)).toEqual(Buffer.from('6e0001ff', 'hex'))
    expect(verifyIntegrity(message, PASSWORD)).toBe(true)
    expect(verifyIntegrity(message, `${PASSWORD}x`)).toBe(false)
  })

  test.each([
    ['§2.2 IPv4', RESPONSE_IPV4, '192.0.2.1'],
    ['§2.3 IPv6', RESPONSE_IPV6, '2001:db8:1234:5678:11:2233:4455:6677'],
  ])('%s response', (_, hex, address) => {
    const message = parsed(hex)
    expect(message).toMatchObject({ class: 'success', method: 1, fingerprint: 'right' })
    expect(stunMappedAddress(message)).toEqual({ address, port: 32_853 })
    expect(verifyIntegrity(message, PASSWORD)).toBe(true)
  })

  test('one flipped bit breaks integrity or fingerprint', () => {
    const bytes = Buffer.from(REQUEST.replaceAll(/\s/g, ''), 'hex')
    for (let at = 20; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 0x10, at)
      const message = parseStun(changed)
      const isAccepted =
        message !== undefined && message.fingerprint === 'right' && verifyIntegrity(message, PASSWORD)
      expect(isAccepted, `byte ${at}`).toBe(false)
    }
  })
})
