import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { sine, toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { Capture, entropyBits, kindOfDatagram } from '../harness/capture.ts'
import { decodeG711, encodeG711 } from '../harness/g711.ts'
import { freePort } from '../harness/ports.ts'
import { parseRtp } from '../harness/rtp-packet.ts'
import { waitFor } from '../harness/wait-for.ts'

const FRAMES = 50
const HEADER = Buffer.from('8000000100000000cafe0001', 'hex')

test('a capture tells a tone in the clear from noise that looks like SRTP', async () => {
  const port = await freePort()
  const capture = await Capture.start(`udp port ${port}`)
  const socket = createSocket('udp4')
  try {
    const tone = encodeG711('PCMU', sine(8000, 440, FRAMES * 20))
    for (let frame = 0; frame < FRAMES; frame += 1) {
      socket.send(Buffer.concat([HEADER, tone.subarray(frame * 160, frame * 160 + 160)]), port, '127.0.0.1')
      socket.send(Buffer.concat([HEADER, randomBytes(160)]), port, '127.0.0.1')
    }
    await waitFor('all datagrams', async () => (await capture.soFar()).length >= 2 * FRAMES)
    const packets = (await capture.stop()).map(({ payload }) => {
      expect(kindOfDatagram(payload)).toBe('rtp')
      return parseRtp(payload).payload
    })
    const clear = Buffer.concat(packets.filter((_, index) => index % 2 === 0))
    const noise = Buffer.concat(packets.filter((_, index) => index % 2 === 1))
    const search = { sampleRateHz: 8000, frequencyHz: 440 }
    expect(toneMs(decodeG711('PCMU', clear), search)).toBe(FRAMES * 20)
    expect(toneMs(decodeG711('PCMU', noise), search)).toBe(0)
    expect(entropyBits(clear)).toBeLessThan(6)
    expect(entropyBits(noise)).toBeGreaterThan(7.8)
  } finally {
    socket.close()
    await capture.close()
  }
})

test('the first byte tells what a datagram is', () => {
  const kinds = ['000100002112a442', '16fefd', '80000000', '80c80000', 'ff'].map((hex) =>
    kindOfDatagram(Buffer.from(hex, 'hex')),
  )
  expect(kinds).toEqual(['stun', 'dtls', 'rtp', 'rtcp', 'other'])
})
