import { readdirSync, readFileSync } from 'node:fs'

/** A thread of a process, as the kernel has it (proc(5)). */
export interface ThreadState {
  readonly name: string
  /** `S (sleeping)` */
  readonly state: string
  /** Number and arguments of the system call that it is in, or `running`; why not, where the kernel does not tell. */
  readonly call: string
}

/** Those of a process, our own by default. For whoever looks for the reason of a standstill: it reads files, and waits for them. */
export function threadsOf(pid: number | 'self' = 'self'): readonly ThreadState[] {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).map((task) => ({
    name: read(`${tasks}/${task}/comm`),
    state: /^State:\s+(.*)$/m.exec(read(`${tasks}/${task}/status`))?.[1] ?? '',
    call: read(`${tasks}/${task}/syscall`),
  }))
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    return `(${error instanceof Error ? error.message : String(error)})`
  }
}
