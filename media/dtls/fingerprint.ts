import { FINGERPRINT_HASHES, type Fingerprint } from '../parameters.ts'

/**
 * RFC 8122 §5: the certificate must have one of the fingerprints of the strongest hash in the description that we can
 * compute. `computed` gives the certificate's own by hash name. Undefined when it fits.
 */
export function fingerprintMismatch(
  described: readonly Fingerprint[],
  computed: ReadonlyMap<string, string>,
): { readonly expected: string; readonly seen: string } | undefined {
  const [hash] =
    FINGERPRINT_HASHES.find(([name]) => described.some((one) => one.hash.toLowerCase() === name)) ?? []
  const allowed = described
    .filter((one) => one.hash.toLowerCase() === hash)
    .map((one) => one.value.toUpperCase())
  const value = hash === undefined ? undefined : computed.get(hash)
  if (value !== undefined && allowed.includes(value.toUpperCase())) return undefined
  return {
    expected: described.map((one) => `${one.hash} ${one.value}`).join(' or ') || 'a fingerprint',
    seen: value === undefined ? 'none' : `${hash} ${value}`,
  }
}
