import { expect, test } from 'vitest'
import { decodeBatch } from '../../../../media/native/batch.ts'

function record(kind: number, address: string, port: number, bytes: string): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + address.length + bytes.length, 0)
  header.writeUInt8(kind, 4)
  header.writeUInt8(address.length, 5)
  header.writeUInt16LE(3, 6)
  header.writeUInt32LE(0x80010002, 8)
  header.writeUInt16LE(port, 12)
  return Buffer.concat([header, Buffer.from(address), Buffer.from(bytes)])
}

const LEG = 0x80010002

test('records of every kind, one after the other', () => {
  const remote = { address: '2001:db8::1', port: 65_535 }
  const batch = Buffer.concat([
    record(1, '192.0.2.1', 5_000, 'check'),
    record(2, '2001:db8::1', 65_535, 'flight'),
    record(3, '', 0, 'report'),
    ...[4, 5, 6].map((kind) => record(kind, '2001:db8::1', 65_535, '')),
  ])
  expect(decodeBatch(batch)).toEqual([
    {
      kind: 'stun',
      leg: LEG,
      socket: 3,
      remote: { address: '192.0.2.1', port: 5_000 },
      bytes: Buffer.from('check'),
    },
    { kind: 'dtls', leg: LEG, socket: 3, remote, bytes: Buffer.from('flight') },
    { kind: 'rtcp', leg: LEG, bytes: Buffer.from('report') },
    { kind: 'first-received', leg: LEG, remote },
    { kind: 'first-sent', leg: LEG, remote },
    { kind: 'target-moved', leg: LEG, remote },
  ])
})

test('a kind that the addon does not know is our own mistake', () => {
  expect(() => decodeBatch(record(9, '', 0, ''))).toThrow(TypeError)
})
