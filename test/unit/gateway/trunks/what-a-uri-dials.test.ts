import { describe, expect, it } from 'vitest'
import { dialledOf } from '../../../../gateway/trunks/dialled.ts'
import { parseUri } from '../../../../sip/message/uri.ts'

const PLAN = { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' }
const dialled = (text: string): string => dialledOf(parseUri(text), PLAN)

describe('a URI dials', () => {
  it.each([
    ['sip:alice@example.com', 'alice'],
    ['sip:mr.smith@example.com', 'mr.smith'],
    ['sip:example.com', ''],
    ['sips:+4930123@example.com;user=phone', '+4930123'],
    ['sip:+49-30-123@example.com;user=phone', '+4930123'],
    ['sip:(030)%20123.45@example.com', '03012345'],
    ['sip:*21#@example.com', '*21#'],
    ['sip:%2B4930123@example.com', '+4930123'],
    // A telephone number with its parameters in the user part (RFC 3261 §19.1.6).
    ['sip:123;phone-context=+49-30@example.com;user=phone', '+4930123'],
    ['sip:+4930123;npdi;rn=+49123@example.com', '+4930123'],
    ['tel:+49-30-123', '+4930123'],
    ['TEL:+4930123;ext=5', '+4930123'],
    ['tel:7042;phone-context=example.com', '7042'],
    ['tel:863-1234;phone-context=+1-914-555', '+19145558631234'],
    ['tel:123;phone-context=+49', '+49123'],
    // Written as one dials in that country.
    ['tel:030123;phone-context=+49', '030123'],
    ['tel:+4930123;phone-context=+1', '+4930123'],
    ['tel:110;phone-context=+', '110'],
    ['urn:service:sos', 'urn:service:sos'],
    ['URN:service:SOS.police', 'urn:service:sos.police'],
  ])('%s: %s', (text, expected) => {
    expect(dialled(text)).toBe(expected)
  })

  it.each([
    'mailto:alice@example.com',
    'urn:uuid:1',
    'urn:service:counseling',
    'urn:service:sosta',
    `sip:${'1'.repeat(129)}@example.com`,
    `tel:${'1'.repeat(129)}`,
    // Whoever gets it unescaped has a header more.
    'sip:0%0D%0AX-Evil@example.com',
    'sip:0%000900@example.com',
    'sip:%C2%85112@example.com',
  ])('%s: nothing', (text) => {
    expect(() => dialled(text)).toThrow(expect.objectContaining({ code: 'call.unknown-number' }))
  })

  it('at most 128 characters', () => {
    expect(dialled(`sip:${'1'.repeat(128)}@example.com`)).toHaveLength(128)
  })
})
