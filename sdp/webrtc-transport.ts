import type { DtlsSetup, IceCredentials, WebrtcRemote } from '../media/parameters.ts'
import {
  type AttributeBlock,
  attributeValues,
  hasAttribute,
  hasRtcpMux,
  inheritedAttribute,
} from './attributes.ts'
import type { MediaSection, SessionDescription } from './description.ts'
import { readDtls } from './dtls.ts'
import { SdpFailure } from './failure.ts'

/** Profiles that mean DTLS-SRTP over UDP; the last two are what old clients write (RFC 9429 §5.1.2). */
const PROFILES = ['UDP/TLS/RTP/SAVPF', 'UDP/TLS/RTP/SAVP', 'RTP/SAVPF', 'RTP/SAVP']

export function isWebrtcProfile(protocol: string): boolean {
  return PROFILES.includes(protocol.toUpperCase())
}

/** Members of the BUNDLE group that this section is in; empty when it is in none. */
export function readBundle(description: SessionDescription, section: MediaSection): readonly string[] {
  for (const group of attributeValues(description, 'group')) {
    const [semantics, ...mids] = group.split(/ +/)
    if (semantics === 'BUNDLE' && section.mid !== undefined && mids.includes(section.mid)) return mids
  }
  return []
}

/**
 * ICE, DTLS and mux of a browser's audio section. Media level overrides session level. A bundled section may leave
 * all of it to the section that carries the bundle's transport (RFC 9143 §7.1.3). Candidates are ignored on purpose:
 * the peer is learnt from authenticated checks, `.local` names included.
 */
export function readWebrtcTransport(
  description: SessionDescription,
  section: MediaSection,
  readSetup: (blocks: readonly AttributeBlock[]) => DtlsSetup,
): WebrtcRemote {
  const carrier = transportSection(description, section)
  const blocks = [carrier, description]
  if (!hasRtcpMux(carrier)) throw new SdpFailure('sdp.no-rtcp-mux')
  return {
    kind: 'webrtc',
    ice: readIce(blocks),
    ...readDtls(blocks, readSetup),
  }
}

function transportSection(description: SessionDescription, section: MediaSection): MediaSection {
  if (hasAttribute(section, 'ice-ufrag')) return section
  const [tag] = readBundle(description, section)
  return description.sections.find((other) => tag !== undefined && other.mid === tag) ?? section
}

/** RFC 8839 §5.4: 4..256 and 22..256 ice-chars. */
function readIce(blocks: readonly AttributeBlock[]): IceCredentials {
  const ufrag = inheritedAttribute(blocks, 'ice-ufrag')
  const pwd = inheritedAttribute(blocks, 'ice-pwd')
  if (ufrag === undefined || pwd === undefined) {
    throw new SdpFailure('sdp.no-ice', { expected: 'ice-ufrag and ice-pwd' })
  }
  if (!/^[A-Za-z0-9+/]{4,256}$/.test(ufrag))
    throw new SdpFailure('sdp.no-ice', { seen: 'a malformed ice-ufrag' })
  if (!/^[A-Za-z0-9+/]{22,256}$/.test(pwd))
    throw new SdpFailure('sdp.no-ice', { seen: 'a malformed ice-pwd' })
  return { ufrag, pwd }
}
