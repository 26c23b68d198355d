import { FINGERPRINT_HASHES, type Fingerprint } from '../media/parameters.ts'
import { type AttributeBlock, attributeValues, hasAttribute } from './attributes.ts'
import { SdpFailure } from './failure.ts'

/**
 * All fingerprints of the first block that has any (media level overrides session level, RFC 8122 §5), strongest hash
 * first. Of several with one hash the order stays. Well-formed ones with a known hash only.
 */
export function readFingerprints(blocks: readonly AttributeBlock[]): readonly Fingerprint[] {
  const block = blocks.find((candidate) => hasAttribute(candidate, 'fingerprint'))
  if (block === undefined) throw new SdpFailure('sdp.no-fingerprint')
  const values = [...new Set(attributeValues(block, 'fingerprint'))]
  const fingerprints = FINGERPRINT_HASHES.flatMap(([hash, length]) =>
    values.flatMap((value) => readFingerprint(value, hash, length)),
  )
  if (fingerprints.length > 0) return fingerprints
  const seen = values.map((value) => value.split(' ', 1)[0]?.slice(0, 32)).join(' ')
  throw new SdpFailure('sdp.unknown-fingerprint-hash', {
    expected: FINGERPRINT_HASHES.map(([hash]) => hash).join(' '),
    seen: seen.slice(0, 256),
  })
}

function readFingerprint(value: string, hash: string, length: number): Fingerprint[] {
  const [name = '', digest = '', ...rest] = value.split(/ +/)
  const isWellFormed = digest.length === length * 3 - 1 && /^[0-9a-f]{2}(?::[0-9a-f]{2})*$/i.test(digest)
  if (name.toLowerCase() !== hash || !isWellFormed || rest.length > 0) return []
  return [{ hash, value: digest.toUpperCase() }]
}
