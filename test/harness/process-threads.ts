import { readdirSync, readFileSync } from 'node:fs'

/** A line for each thread of a process: its name, its state and the system call it is in, as the kernel tells them (proc(5)). */
export function threadsOf(pid: number): string {
  const tasks = `/proc/${pid}/task`
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (error) {
      return `(${error instanceof Error ? error.message : String(error)})`
    }
  }
  return readdirSync(tasks)
    .map((task) => {
      const state = /^State:\s+(.*)$/m.exec(read(`${tasks}/${task}/status`))?.[1] ?? ''
      return `${read(`${tasks}/${task}/comm`)}: ${state}, in ${read(`${tasks}/${task}/syscall`)}`
    })
    .join('\n')
}
