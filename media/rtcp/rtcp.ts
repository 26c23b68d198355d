/** One report block (RFC 3550 §6.4.1). */
export interface ReportBlock {
  readonly ssrc: number
  /** Of the interval since the report before, in 1/256. */
  readonly fractionLost: number
  /** 24 bits with a sign: repeated packets make it negative. */
  readonly cumulativeLost: number
  /** Cycles and sequence number. */
  readonly highestSequence: number
  /** In ticks of the RTP clock. */
  readonly jitter: number
  /** Middle 32 bits of the NTP time of the last sender report; 0: none came. */
  readonly lastReport: number
  /** Since that report came, in 1/65536 s. */
  readonly delaySinceLastReport: number
}

export interface SenderReport {
  readonly kind: 'sender-report'
  readonly ssrc: number
  readonly ntpSeconds: number
  readonly ntpFraction: number
  readonly rtpTimestamp: number
  readonly packets: number
  readonly octets: number
  readonly blocks: readonly ReportBlock[]
}

export interface ReceiverReport {
  readonly kind: 'receiver-report'
  readonly ssrc: number
  readonly blocks: readonly ReportBlock[]
}

export interface SourceDescription {
  readonly kind: 'source-description'
  /** Items other than CNAME are not read. */
  readonly chunks: readonly { readonly ssrc: number; readonly cname: string | undefined }[]
}

export interface Goodbye {
  readonly kind: 'bye'
  readonly ssrcs: readonly number[]
}

/** What ends at the gateway: it asks something of a video encoder or of bandwidth estimation, or is not known here. */
export interface EndedRtcp {
  readonly kind:
    | 'pli'
    | 'fir'
    | 'remb'
    | 'nack'
    | 'transport-cc'
    | 'feedback'
    | 'extended-report'
    | 'application'
    | 'unknown'
}

/** What we write ourselves. */
export type OwnRtcp = SenderReport | ReceiverReport | SourceDescription | Goodbye

export type RtcpPacket = OwnRtcp | EndedRtcp

/** In one datagram; one more and it is refused. Browsers send up to 5. */
export const MAX_RTCP_PACKETS = 32
/** What five bits can count: blocks in a report, chunks, sources of a BYE. */
const MAX_COUNT = 31
const MAX_CNAME_BYTES = 255

const TYPE = { senderReport: 200, receiverReport: 201, sourceDescription: 202, bye: 203 } as const
const CNAME = 1
const HEADER_LENGTH = 4
const BLOCK_LENGTH = 24
const SENDER_REPORT_LENGTH = 28
const RECEIVER_REPORT_LENGTH = 8

/** RFC 4585 §6.1, RFC 5104 §4.3.1, by packet type and format. */
const FEEDBACK: Readonly<Record<string, EndedRtcp['kind']>> = {
  '205/1': 'nack',
  '205/15': 'transport-cc',
  '206/1': 'pli',
  '206/4': 'fir',
}

/**
 * Reads a compound packet, plain (RFC 3550 §6.1), of reduced size too (RFC 5506). Undefined when anything in it does not
 * add up: then nothing in it is believed.
 */
export function parseRtcp(datagram: Uint8Array): readonly RtcpPacket[] | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  const packets: RtcpPacket[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = packetEnd(bytes, at)
    if (end === undefined || packets.length === MAX_RTCP_PACKETS) return undefined
    const packet = parsePacket(bytes.subarray(at, end - paddingLength(bytes, at, end)))
    if (packet === undefined) return undefined
    packets.push(packet)
    at = end
  }
  return packets.length === 0 ? undefined : packets
}

/** Undefined when the packet is cut, of another version, or its padding is impossible. */
function packetEnd(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < 4 || bytes.readUInt8(at) >> 6 !== 2) return undefined
  const end = at + 4 + 4 * bytes.readUInt16BE(at + 2)
  if (end > bytes.length) return undefined
  if (!isPadded(bytes, at)) return end
  const padding = bytes.readUInt8(end - 1)
  const isValid = end === bytes.length && padding > 0 && padding % 4 === 0 && padding <= end - at - 4
  return isValid ? end : undefined
}

function isPadded(bytes: Buffer, at: number): boolean {
  return (bytes.readUInt8(at) & 0x20) !== 0
}

function paddingLength(bytes: Buffer, at: number, end: number): number {
  return isPadded(bytes, at) ? bytes.readUInt8(end - 1) : 0
}

function parsePacket(packet: Buffer): RtcpPacket | undefined {
  const count = packet.readUInt8(0) & 0x1f
  const type = packet.readUInt8(1)
  switch (type) {
    case TYPE.senderReport:
      return parseSenderReport(packet, count)
    case TYPE.receiverReport:
      return parseReceiverReport(packet, count)
    case TYPE.sourceDescription:
      return parseSourceDescription(packet, count)
    case TYPE.bye:
      return parseBye(packet, count)
    case 204:
      return { kind: 'application' }
    case 205:
    case 206:
      return { kind: feedbackKind(packet, type, count) }
    case 207:
      return { kind: 'extended-report' }
    default:
      return { kind: 'unknown' }
  }
}

/** REMB is an application's feedback with a name of its own. */
function feedbackKind(packet: Buffer, type: number, format: number): EndedRtcp['kind'] {
  const isRemb = type === 206 && format === 15 && packet.toString('latin1', 12, 16) === 'REMB'
  return isRemb ? 'remb' : (FEEDBACK[`${type}/${format}`] ?? 'feedback')
}

function parseSenderReport(packet: Buffer, count: number): SenderReport | undefined {
  if (packet.length < SENDER_REPORT_LENGTH + count * BLOCK_LENGTH) return undefined
  return {
    kind: 'sender-report',
    ssrc: packet.readUInt32BE(4),
    ntpSeconds: packet.readUInt32BE(8),
    ntpFraction: packet.readUInt32BE(12),
    rtpTimestamp: packet.readUInt32BE(16),
    packets: packet.readUInt32BE(20),
    octets: packet.readUInt32BE(24),
    blocks: parseBlocks(packet, SENDER_REPORT_LENGTH, count),
  }
}

function parseReceiverReport(packet: Buffer, count: number): ReceiverReport | undefined {
  if (packet.length < RECEIVER_REPORT_LENGTH + count * BLOCK_LENGTH) return undefined
  const blocks = parseBlocks(packet, RECEIVER_REPORT_LENGTH, count)
  return { kind: 'receiver-report', ssrc: packet.readUInt32BE(4), blocks }
}

function parseBlocks(packet: Buffer, from: number, count: number): readonly ReportBlock[] {
  return Array.from({ length: count }, (_, index) => {
    const at = from + index * BLOCK_LENGTH
    return {
      ssrc: packet.readUInt32BE(at),
      fractionLost: packet.readUInt8(at + 4),
      cumulativeLost: packet.readIntBE(at + 5, 3),
      highestSequence: packet.readUInt32BE(at + 8),
      jitter: packet.readUInt32BE(at + 12),
      lastReport: packet.readUInt32BE(at + 16),
      delaySinceLastReport: packet.readUInt32BE(at + 20),
    }
  })
}

function parseSourceDescription(packet: Buffer, count: number): SourceDescription | undefined {
  const chunks: { readonly ssrc: number; readonly cname: string | undefined }[] = []
  let at = 4
  for (let index = 0; index < count; index++) {
    const chunk = parseChunk(packet, at)
    if (chunk === undefined) return undefined
    chunks.push(chunk)
    at = chunk.end
  }
  return { kind: 'source-description', chunks: chunks.map(({ ssrc, cname }) => ({ ssrc, cname })) }
}

/** Items up to a zero, then zeros up to the next word (RFC 3550 §6.5). werift writes no zero where the packet ends. */
function parseChunk(
  packet: Buffer,
  from: number,
): { readonly ssrc: number; readonly cname: string | undefined; readonly end: number } | undefined {
  if (packet.length - from < 8) return undefined
  let cname: string | undefined
  let at = from + 4
  while (at < packet.length && packet.readUInt8(at) !== 0) {
    const textAt = at + 2
    const end = textAt + (textAt > packet.length ? 0 : packet.readUInt8(at + 1))
    if (end > packet.length) return undefined
    if (packet.readUInt8(at) === CNAME) cname ??= packet.toString('utf8', textAt, end)
    at = end
  }
  return { ssrc: packet.readUInt32BE(from), cname, end: Math.min(packet.length, (at + 4) & ~3) }
}

function parseBye(packet: Buffer, count: number): Goodbye | undefined {
  if (packet.length < 4 + 4 * count) return undefined
  return {
    kind: 'bye',
    ssrcs: Array.from({ length: count }, (_, index) => packet.readUInt32BE(4 + 4 * index)),
  }
}

/** Writes a compound packet. Numbers are cut to their fields; at most 31 blocks, chunks or sources in each. */
export function formatRtcp(packets: readonly OwnRtcp[]): Buffer {
  const bytes = Buffer.allocUnsafe(packets.reduce((length, packet) => length + lengthOf(packet), 0))
  packets.reduce((at, packet) => writePacket(bytes, at, packet), 0)
  return bytes
}

function lengthOf(packet: OwnRtcp): number {
  switch (packet.kind) {
    case 'sender-report':
      return SENDER_REPORT_LENGTH + BLOCK_LENGTH * packet.blocks.length
    case 'receiver-report':
      return RECEIVER_REPORT_LENGTH + BLOCK_LENGTH * packet.blocks.length
    case 'source-description':
      return packet.chunks.reduce((length, { cname }) => length + chunkLength(cname), HEADER_LENGTH)
    case 'bye':
      return HEADER_LENGTH + 4 * packet.ssrcs.length
    default:
      return packet satisfies never
  }
}

/** Returns where the next packet begins; so do those that it is made of. */
function writePacket(bytes: Buffer, at: number, packet: OwnRtcp): number {
  const length = lengthOf(packet)
  switch (packet.kind) {
    case 'sender-report':
      return writeBlocks(
        bytes,
        writeWords(bytes, writeHeader(bytes, at, TYPE.senderReport, packet.blocks.length, length), [
          packet.ssrc,
          packet.ntpSeconds,
          packet.ntpFraction,
          packet.rtpTimestamp,
          packet.packets,
          packet.octets,
        ]),
        packet.blocks,
      )
    case 'receiver-report':
      return writeBlocks(
        bytes,
        writeWords(bytes, writeHeader(bytes, at, TYPE.receiverReport, packet.blocks.length, length), [
          packet.ssrc,
        ]),
        packet.blocks,
      )
    case 'source-description':
      return packet.chunks.reduce(
        (next, { ssrc, cname }) => writeChunk(bytes, next, ssrc, cname),
        writeHeader(bytes, at, TYPE.sourceDescription, packet.chunks.length, length),
      )
    case 'bye':
      return writeWords(bytes, writeHeader(bytes, at, TYPE.bye, packet.ssrcs.length, length), packet.ssrcs)
    default:
      return packet satisfies never
  }
}

function writeHeader(bytes: Buffer, at: number, type: number, counted: number, length: number): number {
  if (counted > MAX_COUNT) throw new RangeError(`${counted} entries in one RTCP packet`)
  bytes.writeUInt8(0x80 | counted, at)
  bytes.writeUInt8(type, at + 1)
  return bytes.writeUInt16BE(length / 4 - 1, at + 2)
}

function writeWords(bytes: Buffer, at: number, values: readonly number[]): number {
  return values.reduce((next, value) => bytes.writeUInt32BE(value >>> 0, next), at)
}

function writeBlocks(bytes: Buffer, at: number, blocks: readonly ReportBlock[]): number {
  return blocks.reduce(
    (next, block) =>
      writeWords(bytes, next, [
        block.ssrc,
        ((block.fractionLost & 0xff) << 24) | (block.cumulativeLost & 0xffffff),
        block.highestSequence,
        block.jitter,
        block.lastReport,
        block.delaySinceLastReport,
      ]),
    at,
  )
}

/** SSRC, item, and one to four zeros that end the list (RFC 3550 §6.5). */
function chunkLength(cname: string | undefined): number {
  const itemLength = cname === undefined ? 0 : 2 + cnameLength(cname)
  return (4 + itemLength + 4) & ~3
}

function cnameLength(cname: string): number {
  return Math.min(MAX_CNAME_BYTES, Buffer.byteLength(cname))
}

function writeChunk(bytes: Buffer, at: number, ssrc: number, cname: string | undefined): number {
  const end = at + chunkLength(cname)
  const item = bytes.writeUInt32BE(ssrc, at)
  bytes.fill(0, item, end)
  if (cname === undefined) return end
  bytes.writeUInt8(CNAME, item)
  bytes.writeUInt8(cnameLength(cname), item + 1)
  bytes.write(cname, item + 2, cnameLength(cname))
  return end
}
