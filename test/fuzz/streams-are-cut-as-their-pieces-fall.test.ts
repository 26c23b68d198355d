import { expect, test } from 'vitest'
import { StreamFramer } from '../../sip/message/stream-framer.ts'
import { below, seeded } from '../harness/seeded.ts'

const WORDS = [
  '\r\n',
  '\r',
  '\n',
  ' ',
  'SIP/2.0',
  'INVITE',
  'sip:a@b',
  'l:',
  'Content-Length: ',
  '3',
  '0',
  'abc',
  '\0',
  '\t',
  ':',
  '200 OK',
]
const MAX_BYTES = 400

function streamOf(random: (below: number) => number): Buffer {
  const parts: string[] = []
  for (let count = random(12); count >= 0; count -= 1) {
    const body = 'x'.repeat(random(30))
    if (random(3) > 0) parts.push(`OPTIONS sip:a@b SIP/2.0\r\nVia: v\r\nl: ${body.length}\r\n\r\n${body}`)
    if (random(4) === 0) parts.push('\r\n'.repeat(random(4)))
    if (random(8) === 0) parts.push(WORDS[random(WORDS.length)] ?? '')
  }
  return Buffer.from(parts.join(''))
}

function messagesOf(stream: Buffer, size: () => number): readonly string[] {
  const framer = new StreamFramer(MAX_BYTES)
  const seen: string[] = []
  for (let at = 0; at < stream.length; ) {
    const end = at + size()
    for (const frame of framer.push(stream.subarray(at, end))) {
      if (frame.kind === 'message') seen.push(frame.bytes.toString('latin1'))
      else if (frame.kind === 'broken') seen.push(frame.code)
    }
    expect(framer.pendingBytes).toBeLessThanOrEqual(MAX_BYTES)
    at = end
  }
  return seen
}

test('messages and the end of a stream do not depend on how it was cut on the way', () => {
  const random = below(seeded(5))
  for (let turn = 0; turn < 1_000; turn += 1) {
    const stream = streamOf(random)
    const byBytes = messagesOf(stream, () => 1)
    expect(messagesOf(stream, () => 1 + random(60))).toEqual(byBytes)
    expect(messagesOf(stream, () => 1 + random(5))).toEqual(byBytes)
  }
})
