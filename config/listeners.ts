import { isIP } from 'node:net'
import type { Config, WebListenerConfig } from './config.ts'
import { optional, PATH, required, yesNo } from './fields.ts'
import { rowValue } from './format.ts'
import { type BuildContext, keyPair } from './named-files.ts'

import type { AddressesValue, ListenPort, Settings } from './settings.ts'

/** Fields of `web.listeners`. */
export const WEB_LISTENER = {
  host: required('Address to listen on; :: is every address of IPv6.', 'address'),
  port: required('TCP port; 0 picks one.', 'wholeNumber', { min: 0, max: 65_535 }),
  certificate: optional(
    'PEM file with the certificate and its chain; left out with the key: clear text.',
    'text',
    PATH,
  ),
  key: optional('PEM file with its private key, not encrypted.', 'text', PATH),
  proxyProtocol: yesNo('Every connection begins with a PROXY protocol (version 2) header.', false),
}

/** One address or several. */
export const listed = (given: AddressesValue | null): readonly string[] =>
  given === null ? [] : typeof given === 'string' ? [given] : given

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'

/** Whether both stand for one address; a wildcard is all of its family. */
export const overlap = (some: AddressesValue, others: AddressesValue): boolean =>
  listed(some).some((one) =>
    listed(others).some(
      (other) => one === other || (isIP(one) === isIP(other) && [one, other].some(isWildcard)),
    ),
  )

/** Of SIP over TCP or TLS. */
export const listener = ({ host, port }: { readonly host: AddressesValue; readonly port: ListenPort }) =>
  port === 'off' ? undefined : { host: listed(host), port }

export const httpListener = (http: Settings['web']['http']): Config['web']['http'] => {
  const { host, port, proxyProtocol } = http
  return port === 'off' ? undefined : { host, port, proxyProtocol }
}

export function httpsListener(
  https: Settings['web']['https'],
  context: BuildContext,
): Config['web']['https'] {
  const { host, port, proxyProtocol } = https
  if (port === 'off') return undefined
  const open = { host, port, proxyProtocol }
  if (https.certificate === null || https.key === null) {
    return { ...open, certificate: undefined, key: undefined }
  }
  return { ...open, ...keyPair(https.certificate, https.key, 'web.https', context) }
}

export function tlsListener(tls: Settings['tls'], context: BuildContext): Config['tls'] {
  const open = listener(tls)
  if (open === undefined || tls.certificate === null || tls.key === null) return undefined
  return { ...open, ...keyPair(tls.certificate, tls.key, 'tls', context) }
}

/** The schema has checked the rows, and the cross-checks that a certificate has its key. */
export function webListeners(
  rows: Settings['web']['listeners'],
  context: BuildContext,
): readonly WebListenerConfig[] {
  return rows.map((row, index) => {
    const { certificate, key } = row
    const open = {
      host: String(row.host),
      port: Number(row.port),
      proxyProtocol: rowValue(row, 'proxyProtocol', WEB_LISTENER.proxyProtocol) === true,
    }
    if (typeof certificate !== 'string' || typeof key !== 'string') {
      return { ...open, certificate: undefined, key: undefined }
    }
    return { ...open, ...keyPair(certificate, key, `web.listeners[${index}]`, context) }
  })
}
