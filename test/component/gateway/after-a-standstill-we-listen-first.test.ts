import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { systemEnvironment } from '../../../gateway/environment.ts'
import { closeAll, closing } from '../../harness/closing.ts'

afterEach(closeAll)

const ANSWERS = 200

/** The whole thread, as a stopped process or a machine that is held up does. */
const standStill = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

// A trunk that had answered while the daemon stood still passed for a silent one, and rested with all its calls.
test('what came while everything stood still is heard before time is up', async () => {
  const [socket, peer] = [createSocket('udp4'), createSocket('udp4')]
  for (const each of [socket, peer]) {
    each.bind(0, '127.0.0.1')
    await once(each, 'listening')
    closing({ close: async () => void each.close() })
  }
  let heard = 0
  socket.on('message', () => (heard += 1))
  const heardInTime = new Promise<number>((resolve) => {
    systemEnvironment.schedule(systemEnvironment.nowMs() + 100, () => resolve(heard))
  })
  for (let count = 0; count < ANSWERS; count += 1) peer.send('200 OK', socket.address().port, '127.0.0.1')
  standStill(700)
  expect(await heardInTime).toBe(ANSWERS)
})

test('a timer that was held up can still be cancelled', async () => {
  let isCalled = false
  const cancel = systemEnvironment.schedule(systemEnvironment.nowMs() + 1, () => {
    isCalled = true
  })
  const cancelled = new Promise<void>((resolve) => {
    setTimeout(() => {
      cancel()
      resolve()
    }, 2)
  })
  standStill(600)
  await cancelled
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(isCalled).toBe(false)
})
