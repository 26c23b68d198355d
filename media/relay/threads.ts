import { readdirSync, readFileSync } from 'node:fs'

/** A thread of a process, as the kernel has it (proc(5)). */
export interface ThreadState {
  readonly tid: number
  readonly name: string
  /** `S (sleeping)` */
  readonly state: string
  /** Number and arguments of the system call that it is in, or `running`; why not, where the kernel does not tell. */
  readonly systemCall: string
}

/**
 * Those of a process, our own by default; none where the kernel does not tell. For whoever looks for the reason of a standstill:
 * it reads files, and waits for them.
 */
export function threadsOf(pid: number | 'self' = 'self'): readonly ThreadState[] {
  const tasks = `/proc/${pid}/task`
  return idsIn(tasks).map((id) => ({
    tid: Number(id),
    name: read(`${tasks}/${id}/comm`),
    state: /^State:\s+(.*)$/m.exec(read(`${tasks}/${id}/status`))?.[1] ?? '',
    systemCall: read(`${tasks}/${id}/syscall`),
  }))
}

function idsIn(tasks: string): readonly string[] {
  try {
    return readdirSync(tasks)
  } catch {
    // The process has ended, or we may open nothing more.
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    return `(${error instanceof Error ? error.message : String(error)})`
  }
}
