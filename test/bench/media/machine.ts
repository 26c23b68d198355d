import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'

/** What figures are worth nothing without. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** Undefined: not installed. */
  readonly rtpengine: string | undefined
  /** Of the last minute, when the bench began. */
  readonly load: number
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    rtpengine: rtpengineVersion(),
    load: loadavg()[0] ?? 0,
  }
}

export const machineLine = ({
  processor,
  cores,
  memoryGiB,
  kernel,
  node,
  rtpengine,
  load,
}: Machine): string =>
  [
    `${processor}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}`,
    rtpengine === undefined ? 'no rtpengine' : `rtpengine ${rtpengine} (userspace)`,
    `load ${load.toFixed(1)}`,
  ].join(', ')

/** Node raises its own limit to this when it starts, and our children inherit that. */
export function mostOpenFiles(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1]
  return hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard)
}

function rtpengineVersion(): string | undefined {
  // `Version: 10.5.3.5-1+deb12u1`, on its error output.
  const { stdout, stderr, error } = spawnSync('rtpengine', ['--version'], { encoding: 'utf8' })
  return error === undefined ? (/\d+(\.\d+)+/.exec(stdout + stderr)?.[0] ?? 'of unknown version') : undefined
}
