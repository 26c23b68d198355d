import type { DtlsRemote, DtlsSetup, SdesKey, TransportAddress } from '../media/parameters.ts'
import { readAddress } from './address.ts'
import { type AttributeBlock, hasRtcpMux } from './attributes.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { readDtls } from './dtls.ts'
import { SdpFailure } from './failure.ts'

export interface RtpAddresses {
  readonly rtp: TransportAddress
  /** Undefined when RTCP is muxed on the RTP port. */
  readonly rtcp: TransportAddress | undefined
}

/** What a profile says about a trunk's packets; undefined for a profile that no trunk leg speaks. */
export function rtpProfile(protocol: string): 'plain' | 'secure' | 'dtls' | undefined {
  switch (protocol.toUpperCase()) {
    case 'RTP/AVP':
    case 'RTP/AVPF':
      return 'plain'
    case 'RTP/SAVP':
    case 'RTP/SAVPF':
      return 'secure'
    case 'UDP/TLS/RTP/SAVP':
    case 'UDP/TLS/RTP/SAVPF':
      return 'dtls'
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

export function toRtpRemote(addresses: RtpAddresses, crypto: SdesKey | undefined, dtls?: DtlsRemote) {
  return { kind: 'rtp' as const, ...addresses, crypto, dtls }
}

/**
 * A trunk's DTLS. Its RTCP must be muxed: on a port of its own it would want a second association (RFC 5764 §4.1). Peers
 * with DTLS know mux, but Linphone has to be told to use it.
 */
export function readTrunkDtls(
  description: SessionDescription,
  section: MediaSection,
  readSetup: (blocks: readonly AttributeBlock[]) => DtlsSetup,
): DtlsRemote {
  if (!hasRtcpMux(section)) throw new SdpFailure('sdp.no-rtcp-mux')
  return readDtls([section, description], readSetup)
}
