import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { compile, RELAY_THREADS } from '../../native/compile.ts'

// Compiling comes first, and a shared machine may be slow.
test('the relay thread and its users do not race, as ThreadSanitizer sees it', async () => {
  const executable = await compile(RELAY_THREADS)
  const { status, stdout, stderr } = spawnSync(executable, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout).toBe('ok\n')
  expect(status).toBe(0)
}, 300_000)
