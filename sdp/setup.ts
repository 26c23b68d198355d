import type { DtlsSetup } from '../media/parameters.ts'
import { type AttributeBlock, inheritedAttribute } from './attributes.ts'
import { SdpFailure } from './failure.ts'

/** DTLS role of the peer in its offer. Missing means `active` (RFC 4145 §4). */
export function readOfferedSetup(blocks: readonly AttributeBlock[]): DtlsSetup {
  const value = inheritedAttribute(blocks, 'setup') ?? 'active'
  if (value === 'active' || value === 'passive' || value === 'actpass') return value
  throw new SdpFailure('sdp.bad-setup', { expected: 'active, passive or actpass', seen: value.slice(0, 32) })
}

/** DTLS role that the peer chose; we always offer `actpass`. Missing means `passive` (RFC 4145 §4). */
export function readAnsweredSetup(blocks: readonly AttributeBlock[]): DtlsSetup {
  const value = inheritedAttribute(blocks, 'setup') ?? 'passive'
  if (value === 'active' || value === 'passive') return value
  throw new SdpFailure('sdp.bad-setup', { expected: 'active or passive', seen: value.slice(0, 32) })
}

/**
 * Our role in an answer. An association that exists keeps its roles when the offer leaves the choice to us
 * (RFC 8842 §5.3); a new one makes the browser the client, whose ClientHello then opens every path itself.
 */
export function answerSetup(
  offered: DtlsSetup,
  current: 'active' | 'passive' | undefined,
): 'active' | 'passive' {
  if (offered === 'actpass') return current ?? 'passive'
  return offered === 'active' ? 'passive' : 'active'
}
