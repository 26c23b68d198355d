import type { SrtpSuite } from '../media/parameters.ts'

/**
 * How a trunk's packets are secured: not at all, with keys in the SDP (RFC 4568), with keys that a plain profile carries
 * for peers that can (RFC 8643), with those and no less, by DTLS (RFC 5763, without ICE).
 */
export type TrunkKeying = 'none' | 'sdes' | 'osrtp' | 'osrtp-required' | 'dtls'

/** What a trunk is offered, and what is taken from its offers. */
export interface TrunkTerms {
  readonly keying: TrunkKeying
  /** For keys in the SDP, in order of preference; empty where there are none. */
  readonly suites: readonly SrtpSuite[]
  /** Offer the profile with feedback: AVPF, SAVPF (RFC 4585, 5124). */
  readonly avpf: boolean
  /** Offer RTCP on the RTP port. Taken it is always. */
  readonly rtcpMux: boolean
}

/** Whether packets need keys in the SDP, and how much, or have them from DTLS. */
export type KeyNeed = 'never' | 'may' | 'must' | 'dtls'

/** Whether packets need keys, and in which profile we offer. */
const KEYING: Readonly<Record<TrunkKeying, { readonly keys: KeyNeed; readonly profile: string }>> = {
  none: { keys: 'never', profile: 'RTP/AVP' },
  osrtp: { keys: 'may', profile: 'RTP/AVP' },
  'osrtp-required': { keys: 'must', profile: 'RTP/AVP' },
  sdes: { keys: 'must', profile: 'RTP/SAVP' },
  dtls: { keys: 'dtls', profile: 'UDP/TLS/RTP/SAVP' },
}

export const keysOf = ({ keying }: Pick<TrunkTerms, 'keying'>) => KEYING[keying].keys

export const offeredProfile = ({ keying, avpf }: Pick<TrunkTerms, 'keying' | 'avpf'>): string =>
  avpf ? `${KEYING[keying].profile}F` : KEYING[keying].profile

/** What is not said: no feedback, no mux, keys where there are suites. */
export function completeTerms(terms: Partial<TrunkTerms>): TrunkTerms {
  const suites = terms.suites ?? []
  const keying = terms.keying ?? (suites.length > 0 ? 'sdes' : 'none')
  return { keying, suites, avpf: terms.avpf ?? false, rtcpMux: terms.rtcpMux ?? false }
}
