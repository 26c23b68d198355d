import { expect, test } from 'vitest'
import { formatRtcp, MAX_RTCP_PACKETS, type OwnRtcp, parseRtcp } from '../../../../media/rtcp/rtcp.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

const EMPTY_REPORT = hex('80c90001 00000007')

test('a sender report, field by field (RFC 3550 §6.4.1)', () => {
  const bytes = hex(
    '81c8000c 01020304 83aa7e80 40000000 00000064 0000000a 00000640' +
      '0a0b0c0d 40fffffe 00010002 00000005 7e804000 00028000',
  )
  const report: OwnRtcp = {
    kind: 'sender-report',
    ssrc: 0x0102_0304,
    ntpSeconds: 2_208_988_800,
    ntpFraction: 2 ** 30,
    rtpTimestamp: 100,
    packets: 10,
    octets: 1600,
    blocks: [
      {
        ssrc: 0x0a0b_0c0d,
        fractionLost: 64,
        cumulativeLost: -2,
        highestSequence: 0x10002,
        jitter: 5,
        lastReport: 0x7e80_4000,
        delaySinceLastReport: 2.5 * 65_536,
      },
    ],
  }
  expect(parseRtcp(bytes)).toEqual([report])
  expect(formatRtcp([report])).toEqual(bytes)
})

test('a BYE with a reason, and what we write of one', () => {
  const bytes = hex('82cb0004 00000001 00000002 05 68656c6c6f 0000')
  expect(parseRtcp(bytes)).toEqual([{ kind: 'bye', ssrcs: [1, 2] }])
  expect(formatRtcp([{ kind: 'bye', ssrcs: [1, 2] }])).toEqual(hex('82cb0002 00000001 00000002'))
})

test('a chunk ends with a zero, or with its packet as werift has it', () => {
  const chunk = { ssrc: 1, cname: 'ab' }
  for (const end of ['81ca0002 00000001 01026162', '81ca0003 00000001 01026162 00000000']) {
    expect(parseRtcp(hex(end)), end).toEqual([{ kind: 'source-description', chunks: [chunk] }])
  }
})

test('what ends here is named', () => {
  const feedback = (first: string) => hex(`${first} 0002 00000001 00000002`)
  const cases = [
    [feedback('81cd'), 'nack'],
    [feedback('8fcd'), 'transport-cc'],
    [feedback('81ce'), 'pli'],
    [feedback('84ce'), 'fir'],
    [hex('8fce0003 00000001 00000000 52454d42'), 'remb'],
    [hex('8fce0002 00000001 00000000'), 'feedback'],
    [feedback('82ce'), 'feedback'],
    [feedback('80cc'), 'application'],
    [feedback('80cf'), 'extended-report'],
    [feedback('80d0'), 'unknown'],
    [hex('80cd0000'), 'feedback'],
  ] as const
  for (const [bytes, kind] of cases) expect(parseRtcp(bytes), bytes.toString('hex')).toEqual([{ kind }])
})

test('nothing of a compound is believed when anything in it does not add up', () => {
  const wrong = {
    'nothing at all': '',
    'less than a header': '80c900',
    'another version': '40c90001 00000007',
    'longer than the datagram': '80c90002 00000007',
    'blocks that are not there': '81c90001 00000007',
    'a sender report without its sender': '80c80001 00000007',
    'padding of no length': 'a0c90002 00000007 00000000',
    'padding that is no multiple of four': 'a0c90002 00000007 00000003',
    'padding over the header': 'a0c90001 00000008',
    'padding where nothing is': 'a0c90000',
    'a chunk that is not there': '81ca0000',
    'an item beyond the packet': '81ca0002 00000001 01ff6162',
    'an item without a length': '81ca0002 00000001 00000001 81ca0001 00000001',
    'more sources than said goodbye': '82cb0001 00000001',
    'a second packet that is cut': '80c90001 00000007 80c9',
  }
  for (const [name, bytes] of Object.entries(wrong)) expect(parseRtcp(hex(bytes)), name).toBeUndefined()
  const padded = Buffer.concat([EMPTY_REPORT, hex('a0c90002 00000007 00000004')])
  expect(parseRtcp(padded)).toHaveLength(2)
  expect(parseRtcp(Buffer.concat([padded, EMPTY_REPORT])), 'padding before the end').toBeUndefined()
})

test('every cut of a compound is refused or is a shorter compound', () => {
  const bytes = formatRtcp([
    { kind: 'receiver-report', ssrc: 7, blocks: [] },
    { kind: 'source-description', chunks: [{ ssrc: 7, cname: 'somebody' }] },
    { kind: 'bye', ssrcs: [7] },
  ])
  const whole = [0, 1, 2].map((index) => [8, 28, 36][index])
  for (let length = 0; length < bytes.length; length++) {
    const count = whole.indexOf(length) + 1
    expect(parseRtcp(bytes.subarray(0, length))?.length ?? 0, `${length} bytes`).toBe(count)
  }
  expect(bytes).toHaveLength(36)
})

test(`${MAX_RTCP_PACKETS} packets in a datagram, and not one more`, () => {
  const packets = (count: number) => Buffer.concat(Array.from({ length: count }, () => EMPTY_REPORT))
  expect(parseRtcp(packets(MAX_RTCP_PACKETS))).toHaveLength(MAX_RTCP_PACKETS)
  expect(parseRtcp(packets(MAX_RTCP_PACKETS + 1))).toBeUndefined()
})

test('31 of a kind fit a packet, and not one more', () => {
  const bye = (count: number): OwnRtcp => ({
    kind: 'bye',
    ssrcs: Array.from({ length: count }, (_, at) => at),
  })
  expect(parseRtcp(formatRtcp([bye(31)]))).toEqual([bye(31)])
  expect(() => formatRtcp([bye(32)])).toThrow(RangeError)
})

test('a CNAME longer than its length field is cut', () => {
  const [packet] =
    parseRtcp(formatRtcp([{ kind: 'source-description', chunks: [{ ssrc: 1, cname: 'x'.repeat(300) }] }])) ??
    []
  expect(packet).toEqual({ kind: 'source-description', chunks: [{ ssrc: 1, cname: 'x'.repeat(255) }] })
})
