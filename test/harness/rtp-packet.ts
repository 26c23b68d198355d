export interface Rtp {
  readonly payloadType: number
  readonly marker: boolean
  readonly sequence: number
  readonly timestamp: number
  readonly ssrc: number
  /** As on the wire: with the authentication tag when it is SRTP. */
  readonly payload: Buffer
}

/** A packet of a peer. */
export function rtp(fields: Partial<Rtp> = {}): Buffer {
  const {
    payloadType = 0,
    marker = false,
    sequence = 1,
    timestamp = 160,
    ssrc = 0x11111111,
    payload = Buffer.from('some media of the peer'),
  } = fields
  const header = Buffer.alloc(12)
  header.writeUInt8(0x80, 0)
  header.writeUInt8((marker ? 0x80 : 0) | payloadType, 1)
  header.writeUInt16BE(sequence, 2)
  header.writeUInt32BE(timestamp, 4)
  header.writeUInt32BE(ssrc, 8)
  return Buffer.concat([header, payload])
}

/** Header and what follows it (RFC 3550 §5.1). */
export function parseRtp(packet: Buffer): Rtp {
  const first = packet.readUInt8(0)
  const hasExtension = (first & 0x10) !== 0
  const end = 12 + 4 * (first & 0x0f)
  return {
    payloadType: packet.readUInt8(1) & 0x7f,
    marker: packet.readUInt8(1) >= 0x80,
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    ssrc: packet.readUInt32BE(8),
    payload: packet.subarray(hasExtension ? end + 4 + 4 * packet.readUInt16BE(end + 2) : end),
  }
}

/** Of a packet with a bare header, as the relay writes it. */
export function parseBareRtp(packet: Buffer): Rtp {
  if (packet.readUInt8(0) !== 0x80) throw new Error(`not a bare RTP header: ${packet.toString('hex')}`)
  return parseRtp(packet)
}
