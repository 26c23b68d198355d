import { describe, expect, it } from 'vitest'
import { type CertificateNames, isCertificateOf } from '../../../../sip/transport/tls-identity.ts'

const STRICT = { wildcards: false }
const isOf = (names: CertificateNames, domain: string, options = STRICT): boolean =>
  isCertificateOf(names, domain, options)
const named = (subjectaltname: string): CertificateNames => ({
  subjectaltname,
  subject: { CN: 'cn.example' },
})

describe('a certificate belongs to a SIP domain (RFC 5922 §7)', () => {
  it('by a DNS name, in full and whatever its case', () => {
    expect(isOf(named('DNS:other.example, DNS:Example.COM'), 'example.com')).toBe(true)
    expect(isOf(named('DNS:example.com'), 'example.com.')).toBe(true)
    expect(isOf(named('DNS:sip.example.com'), 'example.com')).toBe(false)
    expect(isOf(named('DNS:example.com.evil.example'), 'example.com')).toBe(false)
  })

  it('by a sip URI without a user, beside which DNS names do not count', () => {
    expect(isOf(named('DNS:a.example, URI:sip:example.com'), 'example.com')).toBe(true)
    expect(isOf(named('DNS:a.example, URI:sip:example.com'), 'a.example')).toBe(false)
    expect(isOf(named('DNS:a.example, URI:SIP:alice@example.com'), 'example.com')).toBe(false)
    expect(isOf(named('DNS:a.example, URI:https://example.com'), 'a.example')).toBe(true)
  })

  it('by the common name only without subjectAltName', () => {
    expect(isOf({ subject: { CN: 'example.com' } }, 'example.com')).toBe(true)
    expect(isOf(named('DNS:a.example'), 'cn.example')).toBe(false)
    expect(isOf(named('email:x@y.example'), 'cn.example')).toBe(false)
    expect(isOf({}, 'example.com')).toBe(false)
  })

  it('by a wildcard only when the trunk allows it, for one label', () => {
    const names = named('DNS:*.pstn.example.com')
    expect(isOf(names, 'one.pstn.example.com')).toBe(false)
    expect(isOf(names, 'one.pstn.example.com', { wildcards: true })).toBe(true)
    expect(isOf(names, 'two.one.pstn.example.com', { wildcards: true })).toBe(false)
    expect(isOf(names, 'pstn.example.com', { wildcards: true })).toBe(false)
    expect(isOf(named('DNS:*.com'), 'example.com', { wildcards: true })).toBe(false)
  })

  it('or to an address, by that address only', () => {
    expect(isOf(named('IP Address:192.0.2.1'), '192.0.2.1')).toBe(true)
    expect(isOf(named('IP Address:2001:DB8:0:0:0:0:0:1'), '2001:db8::1')).toBe(true)
    expect(isOf(named('IP Address:192.0.2.2, DNS:192.0.2.1'), '192.0.2.1')).toBe(false)
    expect(isOf({ subject: { CN: '192.0.2.1' } }, '192.0.2.1')).toBe(false)
  })

  it('and a name that holds a separator is one name', () => {
    expect(isOf(named('URI:"http://x/, DNS:example.com"'), 'example.com')).toBe(false)
    expect(isOf(named('DNS:"evil.example, DNS:example.com", DNS:b.example'), 'example.com')).toBe(false)
    expect(isOf(named('DNS:"evil.example, DNS:example.com", DNS:b.example'), 'b.example')).toBe(true)
  })
})
