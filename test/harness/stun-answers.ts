import { addressText } from '../../media/address.ts'
import { STUN_ATTRIBUTE, type StunMessage } from '../../media/ice/stun.ts'
import type { TransportAddress } from '../../media/parameters.ts'

/** What clients read in an answer; the gateway, which only answers, never does (RFC 8489 §14.2). */
const MAGIC_COOKIE = Buffer.from('2112a442', 'hex')

/** XOR-MAPPED-ADDRESS of a response; undefined when absent or malformed. */
export function stunMappedAddress(message: StunMessage): TransportAddress | undefined {
  const value = message.attributes.get(STUN_ATTRIBUTE.xorMappedAddress)
  if (value === undefined || value.length < 8) return undefined
  const length = value[1] === 1 ? 4 : value[1] === 2 ? 16 : undefined
  if (length === undefined || value.length !== 4 + length) return undefined
  const mask = Buffer.concat([MAGIC_COOKIE, message.transactionId])
  return {
    address: addressText(value.subarray(4).map((byte, at) => byte ^ (mask[at] ?? 0))),
    port: Buffer.from(value).readUInt16BE(2) ^ MAGIC_COOKIE.readUInt16BE(0),
  }
}

/** The code of an error response, 300..699; undefined when absent or malformed. */
export function stunErrorCode(message: StunMessage): number | undefined {
  const value = message.attributes.get(STUN_ATTRIBUTE.errorCode)
  if (value === undefined || value.length < 4) return undefined
  return ((value[2] ?? 0) & 7) * 100 + (value[3] ?? 0)
}
