import { expect, test } from 'vitest'
import { formatRtcp, MAX_RTCP_PACKETS, parseRtcp, type ReportBlock } from '../../media/rtcp/rtcp.ts'
import { RtcpReporter } from '../../media/rtcp/rtcp-reporter.ts'
import { below, seeded } from '../harness/seeded.ts'

const ROUNDS = 50_000
const BLOCK: ReportBlock = {
  ssrc: 1,
  fractionLost: 1,
  cumulativeLost: -1,
  highestSequence: 2,
  jitter: 3,
  lastReport: 4,
  delaySinceLastReport: 5,
}
const GOOD = Buffer.concat([
  formatRtcp([
    {
      kind: 'sender-report',
      ssrc: 2,
      ntpSeconds: 1,
      ntpFraction: 2,
      rtpTimestamp: 3,
      packets: 4,
      octets: 5,
      blocks: [BLOCK, BLOCK],
    },
    { kind: 'source-description', chunks: [{ ssrc: 2, cname: 'somebody' }] },
    { kind: 'bye', ssrcs: [2, 3] },
  ]),
  Buffer.from('8fce00030000000100000000' + '52454d42', 'hex'),
])

function mutate(random: (below: number) => number): Buffer {
  const bytes = Buffer.alloc(random(3) === 0 ? random(GOOD.length + 40) : GOOD.length)
  GOOD.copy(bytes)
  for (let count = random(6); count > 0 && bytes.length > 0; count--) {
    // Mostly where counts, types and lengths are.
    const at = random(2) === 0 ? random(bytes.length) : (random(bytes.length) & ~3) + random(4)
    if (at < bytes.length) bytes.writeUInt8(random(256), at)
  }
  return bytes
}

test('no datagram throws, what is read is bounded, and a reporter outlives it all', () => {
  const random = below(seeded(7))
  const reporter = new RtcpReporter({ ssrc: 1, cname: 'us', epochMs: 0, random: () => 0 })
  let read = 0
  let refused = 0
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutate(random)
    const packets = parseRtcp(bytes)
    if (packets === undefined) refused++
    else read++
    expect(packets?.length ?? 0).toBeLessThanOrEqual(MAX_RTCP_PACKETS)
    for (const output of reporter.handle({ kind: 'rtcp', bytes, sentPackets: round }, round))
      expect(output.kind).toBe('count')
  }
  expect(read).toBeGreaterThan(ROUNDS / 20)
  expect(refused).toBeGreaterThan(ROUNDS / 20)
  expect(reporter.peerBlock).toBeDefined()
  expect(reporter.rttMs).toBeUndefined()
})
