import { threadsOf } from '../../media/relay/threads.ts'
import { closing } from './closing.ts'
import { PeerProcess } from './peer-process.ts'

/** Stops one thread, by ptrace(2), until it is ended. */
const FREEZE = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
tid = int(sys.argv[1])
for request in (0x4206, 0x4207): # PTRACE_SEIZE, PTRACE_INTERRUPT
    if libc.ptrace(request, tid, None, None) != 0: raise OSError(ctypes.get_errno(), 'ptrace')
os.waitpid(tid, 0x40000000) # __WALL
print('stopped', flush=True)
# Should it be killed meanwhile: its process is not gone before its tracer has been told.
os.waitpid(tid, 0x40000000)`

/**
 * Has one thread of a process stand still while all others go on, until the result is closed (at the latest by `closeAll`). Whoever
 * is not root needs a kernel that lets him (Yama, `kernel.yama.ptrace_scope` 0).
 */
export async function freezeThread(pid: number, name: string): Promise<{ close(): Promise<void> }> {
  const thread = threadsOf(pid).find((one) => one.name === name)
  if (thread === undefined) throw new Error(`process ${pid} has no thread ${name}`)
  const tracer = new PeerProcess('python3', ['-c', FREEZE, String(thread.tid)])
  const frozen = closing({
    async close() {
      await tracer.stop()
    },
  })
  await tracer.waitForOutput('the thread to stop', (output) =>
    output.includes('stopped') ? true : undefined,
  )
  return frozen
}
