import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { compile, RELAY_CROSSINGS, RELAY_OVERLOAD, RELAY_THREADS } from '../../../native/compile.ts'

// Compiling comes first, and a shared machine may be slow.
test.each([
  ['a relay thread and its users', RELAY_THREADS],
  ['two relay threads that carry packets to each other', RELAY_CROSSINGS],
])(
  '%s do not race, as ThreadSanitizer sees it',
  async (_, program) => {
    const executable = await compile(program)
    const { status, stdout, stderr } = spawnSync(executable, { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(stdout).toBe('ok\n')
    expect(status).toBe(0)
  },
  300_000,
)

test('past its capacity a relay thread drops media that waits behind its turn, and nothing else', async () => {
  const executable = await compile(RELAY_OVERLOAD)
  const { status, stdout, stderr } = spawnSync(executable, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout).toBe('ok\n')
  expect(status).toBe(0)
}, 300_000)
