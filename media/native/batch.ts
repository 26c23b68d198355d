import type { RelayRecord } from './boundary.ts'

const HEADER_LENGTH = 16

/** Decodes what `Relay.takeBatch` gives; the layout is drawn in `src/queue.h`. `bytes` are views of the batch. */
export function decodeBatch(batch: Buffer): RelayRecord[] {
  const records: RelayRecord[] = []
  for (let at = 0; at < batch.length; ) {
    const length = batch.readUInt32LE(at)
    records.push(decodeRecord(batch.subarray(at, at + length)))
    at += length
  }
  return records
}

function decodeRecord(record: Buffer): RelayRecord {
  const addressEnd = HEADER_LENGTH + record.readUInt8(5)
  const socket = record.readUInt16LE(6)
  const leg = record.readUInt32LE(8)
  const remote = {
    address: record.toString('latin1', HEADER_LENGTH, addressEnd),
    port: record.readUInt16LE(12),
  }
  const bytes = record.subarray(addressEnd)
  switch (record.readUInt8(4)) {
    case 1:
      return { kind: 'stun', leg, socket, remote, bytes }
    case 2:
      return { kind: 'dtls', leg, socket, remote, bytes }
    case 3:
      return { kind: 'rtcp', leg, bytes }
    case 4:
      return { kind: 'first-received', leg, remote }
    case 5:
      return { kind: 'first-sent', leg, remote }
    case 6:
      return { kind: 'target-moved', leg, remote }
    case 7:
      return { kind: 'key-pressed', leg, event: bytes.readUInt8(0), durationMs: bytes.readUInt32LE(4) }
    case 8:
      return { kind: 'silent', leg }
    default:
      throw new TypeError(`the addon and batch.ts disagree: record kind ${record.readUInt8(4)}`)
  }
}
