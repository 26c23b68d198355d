import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** Stops one thread, by ptrace(2), until its input ends. */
const FREEZE = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
tid = int(sys.argv[1])
for request in (0x4206, 0x4207): # PTRACE_SEIZE, PTRACE_INTERRUPT
    if libc.ptrace(request, tid, None, None) != 0: raise OSError(ctypes.get_errno(), 'ptrace')
os.waitpid(tid, 0x40000000) # __WALL
print('stopped', flush=True)
sys.stdin.read()`

/** Has one thread of a process stand still while all others go on. The result lets it go on. */
export async function freezeThread(pid: number, name: string): Promise<() => Promise<void>> {
  const tasks = `/proc/${pid}/task`
  const tid = readdirSync(tasks).find((task) => readFileSync(`${tasks}/${task}/comm`, 'utf8') === `${name}\n`)
  if (tid === undefined) throw new Error(`process ${pid} has no thread ${name}`)
  const child = spawn('python3', ['-c', FREEZE, tid], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const isStopped = await Promise.race([once(child.stdout, 'data').then(() => true), exit.then(() => false)])
  if (!isStopped) throw new Error(`thread ${name} could not be stopped`)
  return async () => {
    child.stdin.end()
    await exit
  }
}
