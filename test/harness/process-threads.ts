import { threadsOf } from '../../media/relay/threads.ts'

/** A line for each thread of a process: its name, its state and the system call it is in. */
export const linesOfThreads = (pid: number): string =>
  threadsOf(pid)
    .map(({ name, state, systemCall }) => `${name}: ${state}, in ${systemCall}`)
    .join('\n')
