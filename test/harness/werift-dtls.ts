import { createHash, X509Certificate } from 'node:crypto'
import {
  CipherContext,
  DtlsClient,
  DtlsServer,
  type DtlsSocket,
  HashAlgorithm,
  keyLength,
  NamedCurveAlgorithm,
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  SignatureAlgorithm,
  saltLength,
} from 'werift'
import type { SrtpSuite } from '../../media/parameters.ts'

/** werift's DTLS as an independent peer. It checks little, which makes it a good attacker too. */

export interface WeriftCertificate {
  readonly certPem: string
  readonly keyPem: string
  /** `sha-256` of the certificate: upper-case hex pairs joined by colons. */
  readonly fingerprint: string
}

const SIGNATURE_HASH = { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 } as const

const PROFILES = {
  AEAD_AES_128_GCM: ProtectionProfileAeadAes128Gcm,
  AES_CM_128_HMAC_SHA1_80: ProtectionProfileAes128CmHmacSha1_80,
} as const

export type DtlsSuite = keyof typeof PROFILES & SrtpSuite

export async function makeWeriftCertificate(): Promise<WeriftCertificate> {
  const { certPem, keyPem } = await CipherContext.createSelfSignedCertificateWithKey(
    SIGNATURE_HASH,
    NamedCurveAlgorithm.secp256r1_23,
  )
  return { certPem, keyPem, fingerprint: new X509Certificate(certPem).fingerprint256 }
}

export interface WeriftTransport {
  readonly type: string
  readonly address: { address: string; family: string; port: number }
  closed: boolean
  onData: (datagram: Buffer) => void
  send: (datagram: Buffer) => Promise<void>
  close: () => Promise<void>
}

/** A transport for a DTLS socket; `deliver` gets what the peer sends. */
export function weriftTransport(deliver: (datagram: Buffer) => void): WeriftTransport {
  return {
    type: 'udp',
    address: { address: '127.0.0.1', family: 'IPv4', port: 0 },
    closed: false,
    onData: () => undefined,
    send: async (datagram) => deliver(Buffer.from(datagram)),
    close: async () => undefined,
  }
}

export interface WeriftOptions {
  readonly role: 'client' | 'server'
  readonly transport: WeriftTransport
  readonly certificate: WeriftCertificate
  readonly suites?: readonly DtlsSuite[]
}

export function openWerift(options: WeriftOptions): DtlsSocket {
  const Peer = options.role === 'client' ? DtlsClient : DtlsServer
  return new Peer({
    transport: options.transport,
    cert: options.certificate.certPem,
    key: options.certificate.keyPem,
    signatureHash: SIGNATURE_HASH,
    certificateRequest: true,
    extendedMasterSecret: true,
    srtpProfiles: (options.suites ?? ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80']).map(
      (suite) => PROFILES[suite],
    ),
  })
}

/** Sends the ClientHello; it goes on retransmitting by itself until `mute`. */
export function startWerift(peer: DtlsSocket): void {
  if (peer instanceof DtlsClient) peer.connect().catch(() => undefined)
}

/** werift's retransmissions cannot be cancelled; they can be sent nowhere. */
export function muteWerift(peer: DtlsSocket): void {
  peer.transport.socket.send = async () => undefined
}

export interface WeriftKeys {
  readonly suite: DtlsSuite
  readonly profile: number
  readonly localKey: Buffer
  readonly localSalt: Buffer
  readonly remoteKey: Buffer
  readonly remoteSalt: Buffer
}

/** What werift exports once connected. */
export function weriftKeys(peer: DtlsSocket): WeriftKeys {
  const profile = peer.srtp.srtpProfile
  if (profile === undefined) throw new Error('werift has no SRTP profile')
  const suite = profile === PROFILES.AEAD_AES_128_GCM ? 'AEAD_AES_128_GCM' : 'AES_CM_128_HMAC_SHA1_80'
  return { suite, profile, ...peer.extractSessionKeys(keyLength(profile), saltLength(profile)) }
}

/** `sha-256` of the certificate that werift was shown. */
export function seenFingerprint(peer: DtlsSocket): string {
  const digest = createHash('sha256')
    .update(peer.remoteCertificate ?? Buffer.alloc(0))
    .digest('hex')
  return (digest.toUpperCase().match(/../g) ?? []).join(':')
}

let nextSequence = 100

/** A record of epoch 1 as the connected `peer` would send it. */
export function encryptedRecord(peer: DtlsSocket, type: number, plaintext: Buffer): Buffer {
  const sequenceNumber = nextSequence++
  const header = { type, version: 0xfefd, epoch: 1, sequenceNumber }
  return record(type, 1, sequenceNumber, peer.cipher.cipher.encrypt(peer.sessionType, plaintext, header))
}

/** RFC 6347 §4.1. */
export function record(type: number, epoch: number, sequence: number, fragment: Buffer): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt8(type, 0)
  header.writeUInt16BE(0xfefd, 1)
  header.writeUInt16BE(epoch, 3)
  header.writeUIntBE(sequence, 5, 6)
  header.writeUInt16BE(fragment.length, 11)
  return Buffer.concat([header, fragment])
}
