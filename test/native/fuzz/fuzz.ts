import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile } from '../compile.ts'

/** What each fuzzer starts from: inputs that reach beyond the first checks. See the head of the fuzzer for their form. */
const SEEDS = {
  demux: [
    '0001000c2112a442000102030405060708090a0b000600076f7572733a746800',
    '000100182112a442000102030405060708090a0b8022000261620000000600086f7572733a746865000800',
    '80e3123400000000aabbccdd',
    '16fefd0000000000000000000100',
  ],
  rtp: [
    '0007 0e01000e80080001000000a001020304d5d5 0e01000e80080002000001400102030 4d5d5',
    '0007 0e01001cb2081234aabbccdd01020304111111112222222 2bede000110aa0000d5d6d7000003',
    '7fff 0e01000e8008ffff000000a001020304d5d5 140100 0e800800000000014001020304d5d5',
    '0007 0e01001880c9000101020304 81ca000301020304 01036162 63000000',
  ],
  events: [
    '00 80650001000003e8 01020304 0a0a00a0 14 80650002000003e8 01020304 0a8a0140 14 80650003000003e8 01020304 0a8a0140',
    '01 80e5000100000000 01020304 010affff 30 80650002 0000ffff 01020304 010a0010 30 80650003 0000ffff 01020304 018a0020',
  ],
  frames: [
    '02 8000000100000000 01020304 a0 14 80000002000000a0 01020304 a0 14 8000000300000140 01020304 a0',
    '05 8000000100000000 01020304 50 14 80000003000000a0 01020304 50 14 8000000200000050 01020304 50',
  ],
  srtp: [
    '00 01 00 01 0001 04 aabbccdd 00 01 0002 04 aabbccdd 01 01 04 aabbccdd',
    '01 01 00 01 0001 04 aabbccdd 04 01 0002 04 aabbccdd 0003 01 05 01 04 aabbccdd 0009 80',
    '06 01 00 01 ffff 04 aabbccdd 00 01 0000 04 aabbccdd 05 01 04 aabbccdd 0009 80',
    '06 01 02 0020 8008000100000000 00000001 d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5',
    '04 00 04 00000107 00 01 0001 04 aabbccdd 04 01 0002 04 aabbccdd 0012 01 01 01 04 aabbccdd',
    '07 00 04 00000107 00 01 0001 04 aabbccdd 05 01 04 aabbccdd 0022 80 01 01 04 aabbccdd',
  ],
  dtls: [
    '00 01 0020 16fefd0001000000000001001300010000000000010203040506070809aabb',
    '01 00 000f 15fefd0000000000000009 0002 0228',
    '03 01 0030 16fefd000000000000000000230100001700000000000000 17fefd 00112233445566778899aabbccddeeff0011223344',
    '04 01 0010 20 01',
    '05 02 0050 01 0060 80 01',
    '06 01 0100 04 00',
    '07 01 0014 01 07',
  ],
} as const

export type FuzzTarget = keyof typeof SEEDS
export const FUZZ_TARGETS = Object.keys(SEEDS) as FuzzTarget[]

export interface FuzzResult {
  /** How many inputs were tried. */
  readonly runs: number
  /** Empty when nothing was found; otherwise what the fuzzer said, with the input as base64. */
  readonly finding: string
}

/** Compiles a fuzzer and runs it, from its seeds, for so many seconds. */
export async function fuzz(target: FuzzTarget, seconds: number): Promise<FuzzResult> {
  const executable = await compile({
    name: `${target}-fuzz`,
    sources: [`fuzz/${target}_fuzz.cc`],
    isFuzzer: true,
  })
  const folder = mkdtempSync(join(tmpdir(), `fuzz-${target}-`))
  try {
    const corpus = join(folder, 'corpus')
    mkdirSync(corpus)
    for (const [index, seed] of SEEDS[target].entries()) {
      writeFileSync(join(corpus, `seed-${index}`), Buffer.from(seed.replaceAll(' ', ''), 'hex'))
    }
    return await run(executable, [
      `-max_total_time=${seconds}`,
      '-max_len=4096',
      '-timeout=10',
      '-rss_limit_mb=1024',
      '-print_final_stats=1',
      `-artifact_prefix=${folder}/`,
      corpus,
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(executable: string, args: readonly string[]): Promise<FuzzResult> {
  return new Promise((done, failed) => {
    const child = spawn(executable, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => {
      // A long run says much; what was found stands at the end.
      text = (text + chunk.toString()).slice(-20_000)
    })
    child.on('error', failed)
    child.on('close', (status) => {
      const runs = Number(/number_of_executed_units:\s*(\d+)/.exec(text)?.[1] ?? 0)
      done({ runs, finding: status === 0 ? '' : text })
    })
  })
}
