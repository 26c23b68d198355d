import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RECEIVE_BUFFER_BYTES } from '../../../media/receive-buffer.ts'
import { openEngine } from '../../harness/media-bench.ts'
import { openRelay, WITHOUT_RIGHTS } from '../../harness/relay-script.ts'

const MOST = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
const ASKED = 2 * MOST

const RELAY = `
const relay = ${openRelay({ sharedBufferBytes: ASKED })}
console.log(relay.bind({ address: '127.0.0.1', port: 0 }).receiveBufferBytes)
relay.close()`

/** The same by force alone, from another hand: what the kernel would give the process. */
const OTHER = `
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ${ASKED})
try: one.setsockopt(socket.SOL_SOCKET, 33, ${ASKED})
except PermissionError: pass
print(one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2)`

function numberFrom(prefix: readonly string[], ...command: readonly string[]): number {
  const [file = '', ...args] = [...prefix, ...command]
  return Number(execFileSync(file, args, { encoding: 'utf8' }))
}

describe('a shared socket that asks for twice net.core.rmem_max', () => {
  test('gets that much and no more without CAP_NET_ADMIN', () => {
    expect(numberFrom(WITHOUT_RIGHTS, process.execPath, '-e', RELAY)).toBe(MOST)
  })

  test.each([
    ['this process', []],
    ['a process without rights', WITHOUT_RIGHTS],
  ])('gets what the kernel gives by force, in %s', (_, prefix) => {
    expect(numberFrom(prefix, process.execPath, '-e', RELAY)).toBe(numberFrom(prefix, 'python3', '-c', OTHER))
  })
})

test('the engine knows what was asked, and what was granted', () => {
  const { askedBytes, grantedBytes } = openEngine({ threads: 2 }).receiveBuffer
  expect(askedBytes).toBe(RECEIVE_BUFFER_BYTES)
  expect(grantedBytes).toBeGreaterThanOrEqual(Math.min(MOST, RECEIVE_BUFFER_BYTES))
  expect(grantedBytes).toBeLessThanOrEqual(RECEIVE_BUFFER_BYTES)
})
