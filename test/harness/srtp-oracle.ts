import { randomBytes } from 'node:crypto'
import { RtpHeader, SrtcpSession, SrtpSession } from 'werift'
import { SRTP_SUITES } from '../../media/parameters.ts'

/** What werift knows. */
const PROFILE = { AES_CM_128_HMAC_SHA1_80: 1, AES_CM_128_HMAC_SHA1_32: 1, AEAD_AES_128_GCM: 7 } as const

export type OracleSuite = keyof typeof PROFILE
export const ORACLE_SUITES = Object.keys(PROFILE) as readonly OracleSuite[]

/** Bytes that a `_32` tag is shorter than a `_80` one; otherwise the two suites yield the same packet. */
const SHORTER = 6

/** The peer's end of an SRTP leg, by an implementation that is not ours (werift). `_32` is `_80` with its tag cut. */
export class SrtpOracle {
  readonly suite: OracleSuite
  readonly toRelay: Buffer
  readonly fromRelay: Buffer
  readonly #rtp: SrtpSession
  readonly #rtcp: SrtcpSession
  /** Encrypts what the relay should have sent, to compare with where a cut tag cannot be verified. */
  readonly #mirror: SrtpSession

  constructor(suite: OracleSuite) {
    const { keyLength, saltLength } = SRTP_SUITES[suite]
    this.suite = suite
    this.toRelay = randomBytes(keyLength + saltLength)
    this.fromRelay = randomBytes(keyLength + saltLength)
    const keys = (local: Buffer, remote: Buffer) => ({
      localMasterKey: local.subarray(0, keyLength),
      localMasterSalt: local.subarray(keyLength),
      remoteMasterKey: remote.subarray(0, keyLength),
      remoteMasterSalt: remote.subarray(keyLength),
    })
    const profile = PROFILE[suite]
    this.#rtp = new SrtpSession({ profile, keys: keys(this.toRelay, this.fromRelay) })
    this.#rtcp = new SrtcpSession({ profile, keys: keys(this.toRelay, this.fromRelay) })
    this.#mirror = new SrtpSession({ profile, keys: keys(this.fromRelay, this.toRelay) })
  }

  protect(packet: Buffer): Buffer {
    return this.#cut(encrypt(this.#rtp, packet))
  }

  /** Throws when it does not authenticate. */
  unprotect(packet: Buffer): Buffer {
    if (this.suite !== 'AES_CM_128_HMAC_SHA1_32') return this.#rtp.decrypt(packet)
    // Encrypting is its own inverse in counter mode; doing it once more must yield the packet, tag included.
    const body = packet.subarray(0, -4)
    const plain = encrypt(this.#mirror, body).subarray(0, body.length)
    if (!this.#cut(encrypt(this.#mirror, plain)).equals(packet)) throw new Error('the tag is wrong')
    return plain
  }

  protectRtcp(packet: Buffer): Buffer {
    return this.#rtcp.encrypt(packet)
  }

  unprotectRtcp(packet: Buffer): Buffer {
    return this.#rtcp.decrypt(packet)
  }

  #cut(packet: Buffer): Buffer {
    return this.suite === 'AES_CM_128_HMAC_SHA1_32' ? packet.subarray(0, -SHORTER) : packet
  }
}

function encrypt(session: SrtpSession, packet: Buffer): Buffer {
  const header = RtpHeader.deSerialize(packet)
  return session.encrypt(packet.subarray(header.payloadOffset), header)
}
