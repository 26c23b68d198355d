import { threadsOf } from '../../media/threads.ts'

/** A line for each thread of a process: its name, its state and the system call it is in. */
export const linesOfThreads = (pid: number): string =>
  threadsOf(pid)
    .map(({ name, state, call }) => `${name}: ${state}, in ${call}`)
    .join('\n')
