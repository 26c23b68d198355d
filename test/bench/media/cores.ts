import { readFileSync } from 'node:fs'

/** The system under test has one core, the generator another. */
export interface Cores {
  readonly system: number
  readonly generator: number
}

/** The first two that we may use. Throws an Error when there is but one. */
export const CORES: Cores = chooseCores(readFileSync('/proc/self/status', 'utf8'))

/** `status`: as in /proc/self/status. */
export function chooseCores(status: string): Cores {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? ''
  const [system, generator] = list.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
  if (system === undefined || generator === undefined)
    throw new Error('the bench needs two cores: one for the system under test, one for the load generator')
  return { system, generator }
}

/** Not the least: the gateway's relay thread is to come before the rest of its process, as in the daemon. */
const NICE = -9

/**
 * What starts a command on one core, before all other work there where we may say so (root): what else the machine does then
 * delays it little. `nice` counts inside a session only, where the kernel shares the machine out by sessions; so it gets one
 * of its own, with a weight. Each of these programs becomes the next: the process that was started is the command.
 */
export function onCore(core: number): readonly string[] {
  const pinned = ['taskset', '-c', String(core)]
  if (process.getuid?.() !== 0) return pinned
  const weigh = '{ echo -19 > /proc/self/autogroup; } 2> /dev/null; exec "$@"'
  return ['setsid', 'sh', '-c', weigh, 'sh', 'nice', '-n', String(NICE), ...pinned]
}
