import { describeAlert } from './dtls-alert.ts'

const RECORD_HEADER = 13
/** No flight of a handshake has more in one datagram. */
const MAX_RECORDS = 12

const MESSAGES: Readonly<Record<number, string>> = {
  0: 'HelloRequest',
  1: 'ClientHello',
  2: 'ServerHello',
  3: 'HelloVerifyRequest',
  4: 'NewSessionTicket',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
}

/** `ClientHello`, `Certificate, ClientKeyExchange, ChangeCipherSpec, encrypted`: what a datagram of a handshake holds. Never throws. */
export function describeFlight(datagram: Uint8Array): string {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  const records: string[] = []
  for (let at = 0; at + RECORD_HEADER <= bytes.length && records.length < MAX_RECORDS; ) {
    records.push(describeRecord(bytes, at))
    at += RECORD_HEADER + bytes.readUInt16BE(at + 11)
  }
  return `${records.join(', ')} (${bytes.length} bytes)`
}

function describeRecord(bytes: Buffer, at: number): string {
  const isEncrypted = bytes.readUInt16BE(at + 3) > 0
  const first = bytes[at + RECORD_HEADER] ?? -1
  switch (bytes[at]) {
    case 20:
      return 'ChangeCipherSpec'
    case 21:
      return isEncrypted ? 'encrypted alert' : `alert ${describeAlert(bytes[at + RECORD_HEADER + 1] ?? -1)}`
    case 22:
      return isEncrypted ? 'encrypted' : (MESSAGES[first] ?? `handshake ${first}`)
    default:
      return `record ${bytes[at]}`
  }
}
