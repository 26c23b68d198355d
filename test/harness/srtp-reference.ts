import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { SRTP_SUITES, type SrtpSuite } from '../../media/parameters.ts'

const RTCP_HEADER = 8
const GCM_TAG = 16
const ENCRYPTED = 0x80000000

/** Session keys of RTP or RTCP (RFC 3711 §4.3). */
interface Half {
  readonly key: Buffer
  readonly auth: Buffer
  readonly salt: Buffer
}

/** One direction of one key, by the letter of RFC 3711, 6188 and 7714 and nothing but `node:crypto`: slow, without any checks of replays. */
class Context {
  readonly #suite: SrtpSuite
  readonly #mki: Buffer
  readonly #rtp: Half
  readonly #rtcp: Half
  #rollover = 0
  #last = 0
  #rtcpIndex = 0

  constructor(suite: SrtpSuite, keySalt: Buffer, mki: Buffer) {
    this.#suite = suite
    this.#mki = mki
    this.#rtp = deriveHalf(suite, keySalt, 0)
    this.#rtcp = deriveHalf(suite, keySalt, 3)
  }

  sealRtp(packet: Buffer): Buffer {
    const index = this.#indexOf(packet)
    const header = packet.subarray(0, headerLength(packet))
    const payload = packet.subarray(header.length)
    const ssrc = packet.readUInt32BE(8)
    if (isAead(this.#suite)) {
      return Buffer.concat([header, sealGcm(this.#rtp, ssrc, index, [header], payload), this.#mki])
    }
    const body = Buffer.concat([header, counterMode(this.#rtp, ssrc, index, payload)])
    return Buffer.concat([body, this.#mki, hmac(this.#rtp, body, rolloverOf(index), rtpTag(this.#suite))])
  }

  openRtp(packet: Buffer): Buffer {
    const index = this.#indexOf(packet)
    const header = packet.subarray(0, headerLength(packet))
    const ssrc = packet.readUInt32BE(8)
    if (isAead(this.#suite)) {
      const rest = this.#cutMki(packet, 0).subarray(header.length)
      return Buffer.concat([header, openGcm(this.#rtp, ssrc, index, [header], rest)])
    }
    const tagLength = rtpTag(this.#suite)
    const whole = this.#cutMki(packet, tagLength)
    const body = whole.subarray(0, -tagLength)
    mustEqual(whole.subarray(-tagLength), hmac(this.#rtp, body, rolloverOf(index), tagLength))
    return Buffer.concat([header, counterMode(this.#rtp, ssrc, index, body.subarray(header.length))])
  }

  sealRtcp(packet: Buffer): Buffer {
    const index = this.#rtcpIndex++
    const header = packet.subarray(0, RTCP_HEADER)
    const rest = packet.subarray(RTCP_HEADER)
    const ssrc = packet.readUInt32BE(4)
    const word = uint32(ENCRYPTED + index)
    if (isAead(this.#suite)) {
      return Buffer.concat([header, sealGcm(this.#rtcp, ssrc, index, [header, word], rest), word, this.#mki])
    }
    const body = Buffer.concat([header, counterMode(this.#rtcp, ssrc, index, rest)])
    return Buffer.concat([body, word, this.#mki, hmac(this.#rtcp, body, word, 10)])
  }

  openRtcp(packet: Buffer): Buffer {
    const header = packet.subarray(0, RTCP_HEADER)
    const ssrc = packet.readUInt32BE(4)
    if (isAead(this.#suite)) {
      const whole = this.#cutMki(packet, 0)
      const word = whole.subarray(-4)
      const index = word.readUInt32BE() - ENCRYPTED
      const rest = whole.subarray(RTCP_HEADER, -4)
      return Buffer.concat([header, openGcm(this.#rtcp, ssrc, index, [header, word], rest)])
    }
    const whole = this.#cutMki(packet, 10)
    const body = whole.subarray(0, -14)
    const word = whole.subarray(-14, -10)
    mustEqual(whole.subarray(-10), hmac(this.#rtcp, body, word, 10))
    const index = word.readUInt32BE() - ENCRYPTED
    return Buffer.concat([header, counterMode(this.#rtcp, ssrc, index, body.subarray(RTCP_HEADER))])
  }

  #cutMki(packet: Buffer, tail: number): Buffer {
    const end = packet.length - tail
    const at = end - this.#mki.length
    mustEqual(packet.subarray(at, end), this.#mki)
    return Buffer.concat([packet.subarray(0, at), packet.subarray(end)])
  }

  /** In order, with gaps of less than half a round. */
  #indexOf(packet: Buffer): number {
    const sequence = packet.readUInt16BE(2)
    if (sequence < this.#last - 0x8000) this.#rollover += 1
    this.#last = sequence
    return this.#rollover * 0x10000 + sequence
  }
}

/** The peer's end of an SRTP leg for every suite we have: a second reading of the RFCs, for those that werift does not know. */
export class SrtpReference {
  readonly suite: SrtpSuite
  readonly toRelay: Buffer
  readonly fromRelay: Buffer
  readonly #sends: Context
  #receives: Context

  /** `mki`: what the peer's own packets carry; ours never do. */
  constructor(suite: SrtpSuite, mki: Buffer = Buffer.alloc(0)) {
    const { keyLength, saltLength } = SRTP_SUITES[suite]
    this.suite = suite
    this.toRelay = randomBytes(keyLength + saltLength)
    this.fromRelay = randomBytes(keyLength + saltLength)
    this.#sends = new Context(suite, this.toRelay, mki)
    this.#receives = new Context(suite, this.fromRelay, Buffer.alloc(0))
  }

  /** The key that the relay chose by itself. */
  receiveWith(keySalt: Buffer): void {
    this.#receives = new Context(this.suite, keySalt, Buffer.alloc(0))
  }

  protect(packet: Buffer): Buffer {
    return this.#sends.sealRtp(packet)
  }

  /** Throws when it does not authenticate. */
  unprotect(packet: Buffer): Buffer {
    return this.#receives.openRtp(packet)
  }

  protectRtcp(packet: Buffer): Buffer {
    return this.#sends.sealRtcp(packet)
  }

  unprotectRtcp(packet: Buffer): Buffer {
    return this.#receives.openRtcp(packet)
  }
}

const isAead = (suite: SrtpSuite): boolean => suite.startsWith('AEAD')
const rtpTag = (suite: SrtpSuite): number => (suite.endsWith('_32') ? 4 : 10)

function headerLength(packet: Buffer): number {
  const first = packet.readUInt8(0)
  const end = 12 + 4 * (first & 0x0f)
  return (first & 0x10) === 0 ? end : end + 4 + 4 * packet.readUInt16BE(end + 2)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const rolloverOf = (index: number): Buffer => uint32(Math.floor(index / 0x10000))

/** RFC 3711 §4.3.3: the label goes into byte 7 of the salt, and the counter starts behind it. */
function deriveHalf(suite: SrtpSuite, keySalt: Buffer, firstLabel: number): Half {
  const { keyLength, saltLength } = SRTP_SUITES[suite]
  const derive = (label: number, length: number): Buffer => {
    const counter = Buffer.alloc(16)
    keySalt.copy(counter, 0, keyLength)
    counter.writeUInt8(counter.readUInt8(7) ^ label, 7)
    return createCipheriv(`aes-${keyLength * 8}-ctr`, keySalt.subarray(0, keyLength), counter).update(
      Buffer.alloc(length),
    )
  }
  return {
    key: derive(firstLabel, keyLength),
    auth: derive(firstLabel + 1, 20),
    salt: derive(firstLabel + 2, saltLength),
  }
}

/** SSRC and 48-bit index into the salt: RFC 3711 §4.1.1, RFC 7714 §8.1. */
function vector({ salt }: Half, length: number, ssrc: number, index: number): Buffer {
  const bytes = Buffer.alloc(length)
  const at = length === 16 ? 4 : 2
  bytes.writeUInt32BE(ssrc, at)
  bytes.writeUIntBE(index, at + 4, 6)
  return Buffer.from(bytes.map((byte, place) => byte ^ (salt[place] ?? 0)))
}

function counterMode(half: Half, ssrc: number, index: number, bytes: Buffer): Buffer {
  return createCipheriv(`aes-${half.key.length * 8}-ctr`, half.key, vector(half, 16, ssrc, index)).update(
    bytes,
  )
}

const gcm = (half: Half): CipherGCMTypes => (half.key.length === 32 ? 'aes-256-gcm' : 'aes-128-gcm')

function sealGcm(half: Half, ssrc: number, index: number, clear: readonly Buffer[], bytes: Buffer): Buffer {
  const cipher = createCipheriv(gcm(half), half.key, vector(half, 12, ssrc, index))
  cipher.setAAD(Buffer.concat(clear))
  const body = Buffer.concat([cipher.update(bytes), cipher.final()])
  return Buffer.concat([body, cipher.getAuthTag()])
}

function openGcm(half: Half, ssrc: number, index: number, clear: readonly Buffer[], bytes: Buffer): Buffer {
  const cipher = createDecipheriv(gcm(half), half.key, vector(half, 12, ssrc, index))
  cipher.setAAD(Buffer.concat(clear))
  cipher.setAuthTag(bytes.subarray(-GCM_TAG))
  return Buffer.concat([cipher.update(bytes.subarray(0, -GCM_TAG)), cipher.final()])
}

function hmac({ auth }: Half, body: Buffer, behind: Buffer, length: number): Buffer {
  return createHmac('sha1', auth).update(body).update(behind).digest().subarray(0, length)
}

function mustEqual(seen: Buffer, expected: Buffer): void {
  if (!seen.equals(expected)) throw new Error('tag or MKI is wrong')
}
