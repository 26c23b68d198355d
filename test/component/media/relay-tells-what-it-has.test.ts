import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { bindingRequest, RelayBench, until } from '../../harness/relay-bench.ts'

const TIMES = 30

/** Sends `bytes` to `port` for every byte of its input: a process, because the thread of the test is busy then. */
function startSender(port: number, bytes: Buffer) {
  const script = `
    const socket = require('node:dgram').createSocket('udp4')
    socket.bind(0, '127.0.0.1', () => process.stdout.write('ready'))
    process.stdin.on('data', () => socket.send(Buffer.from('${bytes.toString('hex')}', 'hex'), ${port}, '127.0.0.1'))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test('what was taken before the call for it had come is not the last that is told', async () => {
  const bench = new RelayBench()
  bench.isTaking = false
  const { at } = bench.bind()
  bench.webrtc('frag', 1)
  const sender = startSender(at.port, bindingRequest('frag:x'))
  await once(sender.stdout, 'data')
  for (let time = 0; time < TIMES; time++) {
    sender.stdin.write('.')
    // Looked for without pause, it is taken while the relay thread is still in the round that it came in.
    for (const end = Date.now() + 5_000; bench.relay.takeBatch() === undefined; )
      if (Date.now() > end) expect.fail('nothing came')
    const before = bench.readyCalls
    sender.stdin.write('.')
    await until(() => bench.readyCalls > before, `told after ${time + 1} times`)
    bench.relay.takeBatch()
  }
})
