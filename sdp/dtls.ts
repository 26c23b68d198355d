import type { DtlsRemote, DtlsSetup, Fingerprint } from '../media/parameters.ts'
import { type AttributeBlock, inheritedAttribute } from './attributes.ts'
import type { Attribute } from './description.ts'
import { readFingerprints } from './fingerprint.ts'

/** Certificate, role and association of a peer whose media keys come of DTLS; `blocks`: those that may say so, first the nearest. */
export function readDtls(
  blocks: readonly AttributeBlock[],
  readSetup: (blocks: readonly AttributeBlock[]) => DtlsSetup,
): DtlsRemote {
  return { fingerprints: readFingerprints(blocks), setup: readSetup(blocks), tlsId: readTlsId(blocks) }
}

/** Our side of the same. `tlsId` only for a peer that writes its own: others would only carry the bytes. */
export function describeDtls(
  fingerprint: Fingerprint,
  setup: DtlsSetup,
  tlsId: string | undefined,
): readonly Attribute[] {
  return [
    { name: 'fingerprint', value: `${fingerprint.hash} ${fingerprint.value}` },
    { name: 'setup', value: setup },
    ...(tlsId === undefined ? [] : [{ name: 'tls-id', value: tlsId }]),
  ]
}

/** RFC 8842 §4; one that is none is as if it were absent. */
function readTlsId(blocks: readonly AttributeBlock[]): string | undefined {
  const value = inheritedAttribute(blocks, 'tls-id')
  return value !== undefined && /^[A-Za-z0-9+/_-]{20,255}$/.test(value) ? value : undefined
}
