import { expect, test } from 'vitest'
import { IceLite } from '../../media/ice/ice-lite.ts'
import { formatStun, parseStun, STUN_ATTRIBUTE, stunUsername } from '../../media/ice/stun.ts'
import { seeded } from '../harness/seeded.ts'
import { stunErrorCode, stunMappedAddress } from '../harness/stun-answers.ts'

const LOCAL = { ufrag: 'localfrag', pwd: 'local-password-of-24-chars' }
const ROUNDS = 20_000

/** A few bytes changed, cut or lengthened; half the time with a length field that fits again. */
function mutate(message: Buffer, random: () => number): Buffer {
  const pick = (below: number) => Math.floor(random() * below)
  const length = random() < 0.3 ? pick(message.length + 40) : message.length
  const bytes = Buffer.alloc(length)
  message.copy(bytes)
  for (let count = pick(6); count > 0 && length > 0; count--) bytes.writeUInt8(pick(256), pick(length))
  if (length >= 20 && random() < 0.5) bytes.writeUInt16BE(Math.max(0, length - 20), 2)
  return bytes
}

test('no datagram throws, and none is admitted that does not have our password', () => {
  const random = seeded(1)
  const ice = new IceLite({ local: LOCAL, checkTimeoutMs: 1000, consentTimeoutMs: 1000 })
  const good = formatStun({
    class: 'request',
    transactionId: Buffer.alloc(12, 1),
    attributes: [
      [STUN_ATTRIBUTE.username, Buffer.from('localfrag:peer')],
      [STUN_ATTRIBUTE.xorMappedAddress, Buffer.from('0001a147e112a643', 'hex')],
      [STUN_ATTRIBUTE.errorCode, Buffer.from('00000401', 'hex')],
      [STUN_ATTRIBUTE.iceControlling, Buffer.alloc(8)],
    ],
    password: 'another password',
  })
  const path = { socket: 0, remote: { address: '192.0.2.9', port: 4000 } }
  let parsed = 0
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutate(good, random)
    const message = parseStun(bytes)
    if (message !== undefined) {
      parsed++
      stunUsername(message)
      stunMappedAddress(message)
      stunErrorCode(message)
    }
    const outputs = ice.handle({ kind: 'stun', bytes, path }, round)
    expect(outputs.some(({ kind }) => kind === 'admit' || kind === 'checked')).toBe(false)
  }
  // Else the mutations are so wild that nothing behind the header is tried.
  expect(parsed).toBeGreaterThan(ROUNDS / 10)
})
