import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

/** False when somebody else has it. */
function take(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/** Whether its owner has ended without giving it back. An owner that has not written its number yet is alive. */
function isStale(lock: string): boolean {
  try {
    const owner = Number(readFileSync(lock, 'utf8'))
    if (owner > 0) process.kill(owner, 0)
    return false
  } catch (error) {
    return hasCode(error, 'ESRCH')
  }
}

/** Runs `make`, which makes the file `output`, in one of the processes that want it at a time; in none when it is there. */
export async function once(output: string, make: () => Promise<void>): Promise<void> {
  const lock = `${output}.lock`
  while (!existsSync(output)) {
    if (!take(lock)) {
      if (isStale(lock)) rmSync(lock, { force: true })
      await delay(50)
      continue
    }
    try {
      if (!existsSync(output)) await make()
    } finally {
      rmSync(lock, { force: true })
    }
  }
}
