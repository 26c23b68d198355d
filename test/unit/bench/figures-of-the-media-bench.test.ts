import { describe, expect, test } from 'vitest'
import { ArgumentError, readArguments } from '../../bench/media/arguments.ts'
import { chooseCores } from '../../bench/media/cores.ts'
import type { LoadResult } from '../../bench/media/load-generator.ts'
import type { Cell, Sample } from '../../bench/media/measurement.ts'
import { sumOfDrops } from '../../bench/media/process-figures.ts'
import { isDisturbed, median, ratio, summarise } from '../../bench/media/summary.ts'
import { formatMarkdown, formatTable } from '../../bench/media/table.ts'
import { benchSample } from '../../harness/bench-sample.ts'

const sample = (system: Cell['system'], load: Partial<LoadResult> = {}): Sample =>
  benchSample(system, 'sdes', load)

describe('the arguments', () => {
  test('none: everything, five rounds', () => {
    expect(readArguments([])).toEqual({
      calls: [50, 200, 500, 1_000],
      rounds: 5,
      systems: ['gateway', 'shared', 'rtpengine'],
      scenarios: ['sdes', 'dtls'],
      gatherUs: 500,
      warmupMs: 2_500,
      windowMs: 4_000,
      limitMs: 1_500_000,
      capacity: 'yes',
    })
  })

  test('--quick is less of everything, and each may still be chosen', () => {
    expect(readArguments(['--quick'])).toMatchObject({
      calls: [500],
      rounds: 2,
      windowMs: 1_500,
      limitMs: 50_000,
      capacity: 'no',
    })
    const words = ['--quick', '--calls', '50,1000', '--rounds', '1', '--only', 'gateway', '--seconds', '0.5']
    expect(readArguments(words)).toMatchObject({
      calls: [50, 1_000],
      rounds: 1,
      systems: ['gateway'],
      windowMs: 500,
    })
  })

  test('--help is no run', () => {
    expect(readArguments(['--help', '--quick'])).toBeUndefined()
  })

  test('systems come in their own order', () => {
    expect(readArguments(['--only', 'rtpengine,gateway'])?.systems).toEqual(['gateway', 'rtpengine'])
  })

  test.each([
    ['--calls', '0'],
    ['--calls', '8001'],
    ['--calls', '50,x'],
    ['--calls', '1.5'],
    ['--rounds', '0'],
    ['--seconds', '-1'],
    ['--seconds', '16'],
    ['--gather-us', '5001'],
    ['--gather-us', ''],
    ['--capacity', 'maybe'],
    ['--capacity', 'yes,no'],
    ['--only', 'asterisk'],
    ['--scenario', 'zrtp'],
    ['--fast'],
    ['quick'],
  ])('%s %s is refused', (...words) => {
    expect(() => readArguments(words)).toThrow(ArgumentError)
    expect(() => readArguments(words)).toThrow(words[0])
  })
})

test.each([
  [[], 0],
  [[3], 3],
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
])('the median of %s is %s', (values, expected) => {
  expect(median(values)).toBe(expected)
})

describe('a summary', () => {
  const samples = [
    sample('gateway', { systemNs: 50_000_000 }),
    sample('rtpengine', { systemNs: 120_000_000 }),
    sample('gateway', { systemNs: 40_000_000, faults: { duplicate: 2 } }),
    sample('rtpengine', { systemNs: 100_000_000, late: 11 }),
    sample('gateway', { systemNs: 90_000_000, lost: 100 }),
    sample('rtpengine', { systemNs: 110_000_000 }),
  ]
  const rows = summarise(samples)

  test('has medians, in units of a packet and a call', () => {
    expect(rows[0]).toMatchObject({
      system: 'gateway',
      calls: 500,
      rounds: 3,
      cpuUsPerPacket: 5,
      coreShare: 0.025,
      lossShare: 0,
      p50Ms: 0.04,
      p99Ms: 0.2,
      p999Ms: 1.5,
      kiBPerCall: 6,
      setUpMs: 1,
      handshakeMs: undefined,
    })
  })

  test('leaves disturbed rounds out, as long as there are others', () => {
    expect(rows[1]).toMatchObject({ system: 'rtpengine', cpuUsPerPacket: 11.5, rounds: 3 })
    expect(summarise([sample('gateway', { late: 11 })])[0]?.cpuUsPerPacket).toBe(5)
  })

  test('forgets no wrong packet and no disturbed round', () => {
    expect(rows.map(({ wrong, disturbed }) => [wrong, disturbed])).toEqual([
      [2, 0],
      [0, 1],
    ])
  })

  test('has the ratio of medians, where both were measured', () => {
    expect(ratio(rows, 'sdes', 500, 'gateway')).toBeCloseTo(5 / 11.5)
    expect(ratio(rows, 'sdes', 50, 'gateway')).toBeUndefined()
    expect(ratio(summarise([sample('gateway')]), 'sdes', 500, 'gateway')).toBeUndefined()
  })

  test('is printed with the ratio beside the gateway', () => {
    const [head, gateway, rtpengine] = formatTable(rows).split('\n')
    expect(head).toMatch(/calls +system +CPU us\/packet +ratio/)
    expect(gateway).toMatch(/500 +gateway +5\.00 +0\.435/)
    expect(rtpengine).toMatch(/500 +rtpengine +11\.50 .*1 of 3$/)
    expect(new Set([head?.length, rtpengine?.length]).size).toBe(1)
  })
})

test('a page has fewer columns, all of them named', () => {
  const lines = formatMarkdown(summarise([sample('gateway'), sample('rtpengine')]))
    .trimEnd()
    .split('\n')
  expect(lines[0]).toBe(
    '| keys | calls | system | CPU us/packet | ratio | core % | loss % | p50 ms | p99 ms | KiB/call | set-ups/s | DTLS/s |',
  )
  expect(lines[2]).toBe('| sdes | 500 | gateway | 5.00 | 1.000 | 3 | 0.000 | 0.040 | 0.20 | 6.0 | 1000 |  |')
  expect(new Set(lines.map((line) => line.split('|').length)).size).toBe(1)
})

test('a round is disturbed by one late packet in a thousand, or one that the generator lost', () => {
  expect(isDisturbed(sample('gateway', { late: 10 }))).toBe(false)
  expect(isDisturbed(sample('gateway', { late: 11 }))).toBe(true)
  expect(isDisturbed(sample('gateway', { overflowed: 1 }))).toBe(true)
  expect(isDisturbed(sample('gateway', { unsent: 1 }))).toBe(true)
})

test('drops in receive queues are those of the own sockets', () => {
  const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  362: 0100007F:2710 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5501 2 00000000a2 7
  363: 0100007F:2712 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5502 2 00000000a3 5
  364: 0100007F:2714 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5503 2 00000000a4 2
`
  expect(sumOfDrops(table, new Set(['5501', '5503']))).toBe(9)
  expect(sumOfDrops(table, new Set())).toBe(0)
})

describe('the cores', () => {
  test.each([
    ['0-1', 0, 1],
    ['0-63', 0, 1],
    ['3,7-9', 3, 7],
    ['2-3', 2, 3],
  ])('of %s are %d and %d', (list, system, generator) => {
    expect(chooseCores(`Cpus_allowed:\tff\nCpus_allowed_list:\t${list}\n`)).toEqual({ system, generator })
  })

  test('one is too few', () => {
    expect(() => chooseCores('Cpus_allowed_list:\t5\n')).toThrow('two cores')
  })
})
