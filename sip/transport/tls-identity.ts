import { isIP, SocketAddress } from 'node:net'

/** What of a certificate says whose it is, in the form of `getPeerCertificate()` of Node.js. */
export interface CertificateNames {
  /** `DNS:a.example, URI:sip:example.com, IP Address:192.0.2.1` */
  readonly subjectaltname?: string | undefined
  readonly subject?: { readonly CN?: string | readonly string[] | undefined } | undefined
}

export interface IdentityOptions {
  /**
   * Lets `*.example.com` stand for `pbx.example.com`. RFC 5922 §7.2 forbids it, and some carriers have no other
   * certificate.
   */
  readonly wildcards: boolean
}

/**
 * Whether a certificate is that of a SIP domain (RFC 5922 §7.1, §7.2), or of an address where a peer has no name. Names in
 * full, without regard to case: `sip:` URIs of subjectAltName, where it has none its DNS names, and the common name of a
 * certificate without subjectAltName.
 */
export function isCertificateOf(names: CertificateNames, domain: string, options: IdentityOptions): boolean {
  if (isIP(domain) !== 0) return addressesOf(names).some((address) => isSameAddress(address, domain))
  const wanted = withoutRoot(domain)
  return domainsOf(names).some(
    (name) => withoutRoot(name) === wanted || (options.wildcards && isCovered(wanted, withoutRoot(name))),
  )
}

/** For messages: whose a certificate says it is. */
export const identitiesOf = (names: CertificateNames): readonly string[] => [
  ...domainsOf(names),
  ...addressesOf(names),
]

const withoutRoot = (name: string): string => name.toLowerCase().replace(/\.$/, '')

/** One label at the front, as in RFC 6125 §6.4.3. */
function isCovered(name: string, pattern: string): boolean {
  if (!pattern.startsWith('*.') || pattern.split('.').length < 3) return false
  const dot = name.indexOf('.')
  return dot > 0 && name.slice(dot) === pattern.slice(1)
}

function domainsOf(names: CertificateNames): readonly string[] {
  if (names.subjectaltname === undefined || names.subjectaltname === '') return commonNames(names)
  const entries = alternativeNames(names.subjectaltname)
  const uris = entries.flatMap(([kind, value]) => (kind === 'URI' ? sipDomain(value) : []))
  return uris.length > 0 ? uris : entries.flatMap(([kind, value]) => (kind === 'DNS' ? [value] : []))
}

const addressesOf = ({ subjectaltname = '' }: CertificateNames): readonly string[] =>
  alternativeNames(subjectaltname).flatMap(([kind, value]) => (kind === 'IP Address' ? [value] : []))

function commonNames({ subject }: CertificateNames): readonly string[] {
  const name = subject?.CN
  if (name === undefined) return []
  return typeof name === 'string' ? [name] : name
}

/** `sip:` URIs only, and only those of a domain: one with a user is somebody's. */
function sipDomain(uri: string): readonly string[] {
  const found = /^sip:([^@;?:/[\]]+)$/i.exec(uri)
  return found?.[1] === undefined ? [] : [found[1]]
}

/** Values with a comma or quote stand in JSON quotes, so that no name can look like two. */
function alternativeNames(text: string): readonly (readonly [kind: string, value: string])[] {
  const entries = text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/g)
  return [...entries].flatMap(([, kind = '', value = '']) => {
    const plain = value.startsWith('"') ? unquoted(value) : value
    return plain === undefined ? [] : [[kind, plain] as const]
  })
}

function unquoted(value: string): string | undefined {
  try {
    const text: unknown = JSON.parse(value)
    return typeof text === 'string' ? text : undefined
  } catch {
    return undefined
  }
}

/** IPv6 addresses have many spellings. */
function isSameAddress(one: string, other: string): boolean {
  const kind = isIP(one)
  if (kind === 0 || kind !== isIP(other)) return false
  const [left, right] = [one, other].map(
    (address) => new SocketAddress({ address, family: kind === 6 ? 'ipv6' : 'ipv4' }).address,
  )
  return left === right
}
