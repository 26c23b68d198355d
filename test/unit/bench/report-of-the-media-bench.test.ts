import { expect, test } from 'vitest'
import { type BenchOptions, readArguments } from '../../bench/media/arguments.ts'
import { capacityLine, plotOf, ratioLines, sampleLine, troubles } from '../../bench/media/report.ts'
import { cellsOf } from '../../bench/media/rounds.ts'
import { summarise } from '../../bench/media/summary.ts'
import { benchSample as sample } from '../../harness/bench-sample.ts'

const QUICK = readArguments(['--quick']) as BenchOptions

test('a round has everything once, the systems in turn', () => {
  const cells = cellsOf({ ...QUICK, calls: [50, 500], rounds: 2 }).map(
    ({ scenario, calls, system }) => `${scenario} ${calls} ${system}`,
  )
  expect(cells).toHaveLength(24)
  expect(cells.slice(0, 4)).toEqual([
    'sdes 50 gateway',
    'sdes 50 shared',
    'sdes 50 rtpengine',
    'sdes 500 gateway',
  ])
  expect(cells.slice(12)).toEqual(cells.slice(0, 12))
})

test('the last line is the ratio of the gateway with ports for each call, for browsers', () => {
  const rows = summarise([
    sample('gateway', 'sdes', { systemNs: 5_000_000 }),
    sample('rtpengine', 'sdes', { systemNs: 10_000_000 }),
    sample('gateway', 'dtls', { systemNs: 4_000_000 }),
    sample('shared', 'dtls', { systemNs: 3_000_000 }),
    sample('rtpengine', 'dtls', { systemNs: 10_000_000 }),
  ])
  expect(ratioLines(rows, QUICK)).toEqual([
    'ratio_cpu_per_packet_sdes_500_gateway=0.500',
    'ratio_cpu_per_packet_dtls_500_gateway=0.400',
    'ratio_cpu_per_packet_dtls_500_shared=0.300',
    'ratio_cpu_per_packet=0.400',
  ])
  expect(ratioLines(summarise([sample('gateway', 'dtls')]), QUICK)).toEqual([
    'ratio_cpu_per_packet=not-measured',
  ])
})

test('a lost packet of the gateway and a wrong packet of anybody are troubles, times are none', () => {
  const slow = { latencyNs: { samples: 1, p50: 9e9, p99: 9e9, p999: 9e9 }, systemNs: 9e9, late: 900 }
  expect(troubles([sample('gateway', 'sdes', slow)])).toEqual([])
  expect(troubles([sample('rtpengine', 'sdes', { lost: 5 })])).toEqual([])
  expect(troubles([sample('gateway', 'sdes', { lost: 5, overflowed: 5 })])).toEqual([])
  expect(troubles([sample('shared', 'dtls', { lost: 5, overflowed: 3 })])).toEqual([
    'dtls 500 shared: 2 of 10000 packets lost',
  ])
  expect(troubles([sample('rtpengine', 'sdes', { faults: { payload: 1, duplicate: 2 } })])).toEqual([
    'sdes 500 rtpengine: 3 wrong packets {"payload":1,"duplicate":2}',
  ])
})

test('a round says by what it was disturbed', () => {
  expect(sampleLine(sample('gateway', 'sdes'))).toBe(
    'sdes 500 gateway: 5.00 us/packet, p50 0.040 ms, loss 0.000 %',
  )
  const load = { coreNs: 1_050_000_000, late: 2, mostLateNs: 3_100_000, overflowed: 1 }
  expect(sampleLine(sample('gateway', 'sdes', load))).toMatch(
    /\(disturbed: 50 % of the core went to others, 2 packets left late, at most 3\.1 ms, the generator lost 1\)$/,
  )
})

test('a capacity that the generator could not reach is said to be at least so much', () => {
  const row = { scenario: 'dtls', system: 'shared', calls: 2_300, isAtLeast: true } as const
  expect(capacityLine(row)).toBe('capacity of one core, RTP <-> DTLS-SRTP, shared ports: at least 2300 calls')
  expect(capacityLine({ ...row, isAtLeast: false })).toMatch(/: 2300 calls$/)
})

test('the plot has a panel for each scenario, and names the machine', () => {
  const machine = {
    processor: 'CPU',
    cores: 2,
    memoryGiB: 4,
    kernel: '6.1',
    node: '20.0.0',
    rtpengine: '10.5',
    load: 0.1,
  }
  const svg = plotOf(summarise([sample('gateway', 'sdes'), sample('rtpengine', 'dtls')]), machine)
  expect(svg).toContain('RTP &lt;-&gt; SDES-SRTP')
  expect(svg).toContain('RTP &lt;-&gt; DTLS-SRTP')
  expect(svg).toContain('CPU, 2 cores, 4 GiB, Linux 6.1, Node 20.0.0, rtpengine 10.5 (userspace), load 0.1')
})
