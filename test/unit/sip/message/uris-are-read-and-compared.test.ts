import { describe, expect, it } from 'vitest'
import { isSipUri } from '../../../../sip/message/message.ts'
import { areEqualUris, parseUri, sipUri } from '../../../../sip/message/uri.ts'
import { failureOf } from '../../../harness/sip/sip-messages.ts'

describe('a URI', () => {
  it('is read into unescaped parts and keeps its text', () => {
    const text = 'SIPS:a%40b;x:pass@[2001:DB8::1]:5061;Transport=tcp;lr;m=a%3Bb?Subject=x'
    expect(parseUri(text)).toEqual({
      scheme: 'sips',
      user: 'a@b;x',
      host: '2001:db8::1',
      port: 5061,
      parameters: new Map([
        ['transport', 'tcp'],
        ['lr', ''],
        ['m', 'a;b'],
      ]),
      headers: 'Subject=x',
      text,
    })
  })

  it.each(['tel:+49-30-1234;phone-context=x', 'urn:service:sos', 'https://a/b?c', 'mailto:a@b'])(
    '%s is kept unread',
    (text) => {
      const uri = parseUri(text)
      expect(isSipUri(uri)).toBe(false)
      expect(uri.text).toBe(text)
    },
  )

  it('keeps bytes that are no UTF-8 apart from any real user', () => {
    expect(parseUri('sip:%E9@b')).toMatchObject({ user: '\ufffd' })
  })

  it('takes the first of a repeated parameter', () => {
    expect(parseUri('sip:a@b;x=1;X=2')).toMatchObject({ parameters: new Map([['x', '1']]) })
  })

  it.each([
    'sip:',
    'sip:@h',
    'sip:a@',
    'sip:a@b:',
    'sip:a@b:0',
    'sip:a@b:65536',
    'sip:a@b;',
    'sip:a@b;;lr',
    'sip:a@b c',
    'sip:a@b\t',
    'sip:a@[::1',
    'sip:a@[::1]x',
    'sip:a@[fe80::1%25eth0]',
    'sip:a@b%41',
    'sip:a%@b',
    'sip:a%g0@b',
    'a@b',
    ':a',
    '1x:a',
    'tel:',
    '<sip:a@b>',
    `sip:${'a'.repeat(256)}`,
  ])('%s is refused', (text) => {
    expect(failureOf(() => parseUri(text)).code).toBe('sip.malformed')
  })
})

describe('a URI of ours', () => {
  it('escapes each part as its place asks', () => {
    const uri = sipUri({
      user: 'a b@c;d?e:f#g\u20ac',
      host: '::1',
      port: 1,
      parameters: { transport: 'ws', lr: '', 'x;y': 'a=b' },
    })
    expect(uri.text).toBe('sip:a%20b%40c%3Bd%3Fe%3Af%23g%E2%82%AC@[::1]:1;transport=ws;lr;x%3By=a%3Db')
    expect(uri).toMatchObject({ user: 'a b@c;d?e:f#g\u20ac', host: '::1', port: 1 })
  })

  it('keeps what dialled numbers are made of', () => {
    expect(sipUri({ user: '+49(30)12-34*5', host: 'h' }).text).toBe('sip:+49(30)12-34*5@h')
  })

  it.each(['', 'a b', 'a@b', 'a;lr', 'a\r\nVia: x', '[::1]:5'])('cannot have the host %j', (host) => {
    expect(failureOf(() => sipUri({ user: 'u', host })).code).toBe('sip.malformed')
  })
})

describe('RFC 3261 §19.1.4', () => {
  const equal = (a: string, b: string): boolean => {
    const [left, right] = [parseUri(a), parseUri(b)]
    expect(areEqualUris(left, right)).toBe(areEqualUris(right, left))
    return areEqualUris(left, right)
  }

  it.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:1', 'tel:1'],
  ])('%s equals %s', (a, b) => {
    expect(equal(a, b)).toBe(true)
  })

  it.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sips:bob@biloxi.com'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:bob:a@biloxi.com', 'sip:bob:b@biloxi.com'],
    ['sip:biloxi.com', 'sip:bob@biloxi.com'],
    ['tel:1', 'sip:1@h'],
  ])('%s differs from %s', (a, b) => {
    expect(equal(a, b)).toBe(false)
  })
})
