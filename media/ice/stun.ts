import { createHmac, timingSafeEqual } from 'node:crypto'
import { addressBytes } from '../address.ts'
import type { TransportAddress } from '../parameters.ts'
import { crc32 } from './crc32.ts'

/**
 * STUN for ICE connectivity checks (RFC 8489, RFC 8445 §7): parse, verify, build. Pure. Nothing from the network throws.
 *
 * Limits: a message has at most 1 500 bytes and 32 attributes; what is longer is malformed.
 */

export const STUN_MAX_LENGTH = 1500
export const STUN_MAX_ATTRIBUTES = 32

export const STUN_ATTRIBUTE = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  software: 0x8022,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const

export type StunClass = 'request' | 'indication' | 'success' | 'error'

export interface StunMessage {
  readonly class: StunClass
  /** 1 is Binding. */
  readonly method: number
  /** 12 bytes. */
  readonly transactionId: Uint8Array
  /** Those that MESSAGE-INTEGRITY covers (all, when there is none); of duplicates the first. RFC 8489 §5, §14. */
  readonly attributes: ReadonlyMap<number, Uint8Array>
  /** Comprehension-required types that we do not know. */
  readonly unknown: readonly number[]
  readonly fingerprint: 'absent' | 'right' | 'wrong'
  readonly integrity: 'absent' | 'present'
  /** The whole datagram, for `verifyIntegrity`. */
  readonly bytes: Buffer
  /** Where the MESSAGE-INTEGRITY attribute starts; the message length when absent. */
  readonly integrityOffset: number
}

const HEADER_LENGTH = 20
const MAGIC_COOKIE = 0x2112a442
const FINGERPRINT_XOR = 0x5354554e
const BINDING = 1
const INTEGRITY_LENGTH = 20
const CLASSES = ['request', 'indication', 'success', 'error'] as const

const KNOWN: ReadonlySet<number> = new Set(Object.values(STUN_ATTRIBUTE))

/** The lengths RFC 8489 and RFC 8445 fix; another one makes the message malformed. */
const FIXED_LENGTHS: ReadonlyMap<number, number> = new Map([
  [STUN_ATTRIBUTE.messageIntegrity, INTEGRITY_LENGTH],
  [STUN_ATTRIBUTE.fingerprint, 4],
  [STUN_ATTRIBUTE.priority, 4],
  [STUN_ATTRIBUTE.useCandidate, 0],
  [STUN_ATTRIBUTE.iceControlled, 8],
  [STUN_ATTRIBUTE.iceControlling, 8],
])

/** One datagram, which must be exactly one message. Undefined: malformed. */
export function parseStun(datagram: Uint8Array): StunMessage | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length)
  const all = isStunHeader(bytes) ? readAttributes(bytes) : undefined
  if (all === undefined) return undefined

  const type = bytes.readUInt16BE(0)
  const integrityAt = all.findIndex((one) => one.type === STUN_ATTRIBUTE.messageIntegrity)
  // RFC 8489 §14.5: what follows MESSAGE-INTEGRITY is ignored, save FINGERPRINT.
  const covered = (integrityAt < 0 ? all : all.slice(0, integrityAt)).filter(isPlain)
  return {
    class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)] ?? 'request',
    method: (type & 0x0f) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80),
    transactionId: bytes.subarray(8, HEADER_LENGTH),
    // Of duplicates the first: a Map keeps the last it is given.
    attributes: new Map(covered.toReversed().map((one) => [one.type, one.value])),
    unknown: [...new Set(covered.map((one) => one.type).filter((one) => one < 0x8000 && !KNOWN.has(one)))],
    fingerprint: judgeFingerprint(bytes, all.at(-1)),
    integrity: integrityAt < 0 ? 'absent' : 'present',
    bytes,
    integrityOffset: all[integrityAt]?.offset ?? bytes.length,
  }
}

/** Whether MESSAGE-INTEGRITY was made with `password` (short-term credentials, RFC 8489 §9.1, §14.5). */
export function verifyIntegrity(message: StunMessage, password: string): boolean {
  if (message.integrity === 'absent') return false
  const start = message.integrityOffset
  const expected = integrityOf(message.bytes.subarray(0, start), password)
  return timingSafeEqual(expected, message.bytes.subarray(start + 4, start + 4 + INTEGRITY_LENGTH))
}

/** USERNAME as text; undefined when absent, empty or over the 508 bytes of RFC 8489 §14.3. */
export function stunUsername(message: StunMessage): string | undefined {
  const value = message.attributes.get(STUN_ATTRIBUTE.username)
  if (value === undefined || value.length === 0 || value.length > 508) return undefined
  return Buffer.from(value).toString('utf8')
}

export interface StunFields {
  readonly class: StunClass
  readonly transactionId: Uint8Array
  readonly attributes: readonly (readonly [type: number, value: Uint8Array])[]
  /** Adds MESSAGE-INTEGRITY. */
  readonly password: string | undefined
}

/** A Binding message with the attributes in the order given, then MESSAGE-INTEGRITY, then FINGERPRINT. */
export function formatStun(fields: StunFields): Buffer {
  const classBits = CLASSES.indexOf(fields.class)
  const header = Buffer.alloc(HEADER_LENGTH)
  header.writeUInt16BE(((classBits & 2) << 7) | ((classBits & 1) << 4) | BINDING, 0)
  header.writeUInt32BE(MAGIC_COOKIE, 4)
  header.set(fields.transactionId, 8)
  let message = Buffer.concat([header, ...fields.attributes.map(([type, value]) => attribute(type, value))])
  if (fields.password !== undefined) {
    const mac = integrityOf(message, fields.password)
    message = Buffer.concat([message, attribute(STUN_ATTRIBUTE.messageIntegrity, mac)])
  }
  message.writeUInt16BE(message.length + 8 - HEADER_LENGTH, 2)
  const fingerprint = Buffer.alloc(4)
  fingerprint.writeUInt32BE(fingerprintOf(message))
  return Buffer.concat([message, attribute(STUN_ATTRIBUTE.fingerprint, fingerprint)])
}

/** The answer to a good check: where we saw it come from, signed with the password it was signed with. */
export function bindingSuccess(
  transactionId: Uint8Array,
  remote: TransportAddress,
  password: string,
): Buffer {
  return formatStun({
    class: 'success',
    transactionId,
    attributes: [[STUN_ATTRIBUTE.xorMappedAddress, xorAddress(remote, transactionId)]],
    password,
  })
}

const ERROR_REASONS = {
  400: 'Bad Request',
  401: 'Unauthenticated',
  420: 'Unknown Attribute',
  487: 'Role Conflict',
} as const

/** Unsigned (`password` undefined) for 400 and 401: RFC 8489 §9.1.3. */
export function bindingError(
  transactionId: Uint8Array,
  code: keyof typeof ERROR_REASONS,
  password: string | undefined,
  unknown: readonly number[] = [],
): Buffer {
  const value = Buffer.concat([
    Buffer.from([0, 0, Math.floor(code / 100), code % 100]),
    Buffer.from(ERROR_REASONS[code]),
  ])
  const attributes: [number, Uint8Array][] = [[STUN_ATTRIBUTE.errorCode, value]]
  if (unknown.length > 0) attributes.push([STUN_ATTRIBUTE.unknownAttributes, typeList(unknown)])
  return formatStun({ class: 'error', transactionId, attributes, password })
}

function isStunHeader(bytes: Buffer): boolean {
  return (
    bytes.length >= HEADER_LENGTH &&
    bytes.length <= STUN_MAX_LENGTH &&
    bytes.length % 4 === 0 &&
    bytes.readUInt8(0) < 0x40 &&
    bytes.readUInt32BE(4) === MAGIC_COOKIE &&
    bytes.readUInt16BE(2) === bytes.length - HEADER_LENGTH
  )
}

interface Attribute {
  readonly type: number
  readonly value: Buffer
  /** Of its type field in the message. */
  readonly offset: number
}

function readAttributes(bytes: Buffer): readonly Attribute[] | undefined {
  const attributes: Attribute[] = []
  let offset = HEADER_LENGTH
  while (offset < bytes.length) {
    // RFC 8489 §14.7: FINGERPRINT is the last attribute.
    const isOver =
      attributes.length === STUN_MAX_ATTRIBUTES || attributes.at(-1)?.type === STUN_ATTRIBUTE.fingerprint
    const type = bytes.readUInt16BE(offset)
    const length = bytes.readUInt16BE(offset + 2)
    const next = offset + 4 + padded(length)
    if (isOver || next > bytes.length || !hasRightLength(type, length)) return undefined
    attributes.push({ type, value: bytes.subarray(offset + 4, offset + 4 + length), offset })
    offset = next
  }
  return attributes
}

function isPlain({ type }: Attribute): boolean {
  return type !== STUN_ATTRIBUTE.messageIntegrity && type !== STUN_ATTRIBUTE.fingerprint
}

function judgeFingerprint(bytes: Buffer, last: Attribute | undefined): StunMessage['fingerprint'] {
  if (last?.type !== STUN_ATTRIBUTE.fingerprint) return 'absent'
  return last.value.readUInt32BE(0) === fingerprintOf(bytes.subarray(0, last.offset)) ? 'right' : 'wrong'
}

function hasRightLength(type: number, length: number): boolean {
  const fixed = FIXED_LENGTHS.get(type)
  return fixed === undefined || fixed === length
}

function padded(length: number): number {
  return (length + 3) & ~3
}

function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + padded(value.length))
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  bytes.set(value, 4)
  return bytes
}

/** HMAC-SHA1 over `covered`, its length field counting up to and including MESSAGE-INTEGRITY. */
function integrityOf(covered: Uint8Array, password: string): Buffer {
  return createHmac('sha1', password)
    .update(withLength(covered, 4 + INTEGRITY_LENGTH))
    .digest()
}

/** CRC-32 over `covered`, its length field counting up to and including FINGERPRINT. */
function fingerprintOf(covered: Uint8Array): number {
  return (crc32(withLength(covered, 8)) ^ FINGERPRINT_XOR) >>> 0
}

function withLength(covered: Uint8Array, more: number): Buffer {
  const copy = Buffer.from(covered)
  copy.writeUInt16BE(covered.length + more - HEADER_LENGTH, 2)
  return copy
}

/** Magic cookie, then transaction id: what addresses are XORed with (RFC 8489 §14.2). */
function addressMask(transactionId: Uint8Array): Uint8Array {
  const mask = Buffer.alloc(16)
  mask.writeUInt32BE(MAGIC_COOKIE, 0)
  mask.set(transactionId, 4)
  return mask
}

function xorAddress(remote: TransportAddress, transactionId: Uint8Array): Buffer {
  const address = addressBytes(remote.address) ?? new Uint8Array(4)
  const mask = addressMask(transactionId)
  const value = Buffer.alloc(4 + address.length)
  value.writeUInt8(address.length === 4 ? 1 : 2, 1)
  value.writeUInt16BE(remote.port ^ (MAGIC_COOKIE >>> 16), 2)
  address.forEach((byte, at) => {
    value.writeUInt8(byte ^ (mask[at] ?? 0), 4 + at)
  })
  return value
}

function typeList(types: readonly number[]): Buffer {
  const value = Buffer.alloc(types.length * 2)
  types.forEach((type, at) => {
    value.writeUInt16BE(type, at * 2)
  })
  return value
}
