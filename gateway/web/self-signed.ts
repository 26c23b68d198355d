import { hostname } from 'node:os'
import type { Config } from '../../config/config.ts'
import { native } from '../../media/native/index.ts'
import { ownAddresses } from '../addresses.ts'
import type { KeyPair } from './certificate.ts'

const CERTIFICATE_DAYS = 30

/** For the demo: a certificate of every name and address of this machine, new at each start. */
export function selfSigned({ domain }: Config): KeyPair {
  const { certificatePem, privateKeyPem } = native.createCertificate({
    commonName: domain,
    days: CERTIFICATE_DAYS,
    names: ['localhost', hostname(), ...ownAddresses('IPv4', true), ...ownAddresses('IPv6', true)],
  })
  return { cert: certificatePem, key: privateKeyPem }
}
