import type { SdesKey, TransportAddress } from '../media/parameters.ts'
import { readAddress } from './address.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { SdpFailure } from './failure.ts'

export interface RtpAddresses {
  readonly rtp: TransportAddress
  /** Undefined when RTCP is muxed on the RTP port. */
  readonly rtcp: TransportAddress | undefined
}

/** What a profile says about a trunk's packets; undefined for a profile that no trunk leg speaks. */
export function rtpProfile(protocol: string): 'plain' | 'secure' | undefined {
  switch (protocol.toUpperCase()) {
    case 'RTP/AVP':
    case 'RTP/AVPF':
      return 'plain'
    case 'RTP/SAVP':
    case 'RTP/SAVPF':
      return 'secure'
    default:
      return undefined
  }
}

/**
 * Where a trunk wants its media: `c=` of the section, else of the session. RTCP goes to `a=rtcp` (RFC 3605), else to
 * the next port; an unreadable `a=rtcp` is as if it were absent, one that names a host or many hosts is refused.
 */
export function readRtpAddresses(
  description: SessionDescription,
  section: MediaSection,
  isMuxed: boolean,
): RtpAddresses {
  const connection = section.connection ?? description.connection
  if (connection === undefined) throw new SdpFailure('sdp.malformed', { seen: 'no c= line for the audio' })
  const address = readAddress(connection)
  const rtp = { address, port: section.port }
  if (isMuxed) return { rtp, rtcp: undefined }
  if (section.rtcp === undefined) return { rtp, rtcp: { address, port: Math.min(section.port + 1, 65_535) } }
  const { port, connection: other } = section.rtcp
  return { rtp, rtcp: { address: other === undefined ? address : readAddress(other), port } }
}

export function toRtpRemote(addresses: RtpAddresses, crypto: SdesKey | undefined) {
  return { kind: 'rtp' as const, ...addresses, crypto }
}
