import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { compile, UNIT_TEST } from '../../../native/compile.ts'

// Compiling with sanitizers comes first, and a shared machine may be slow.
test('the native unit tests pass under AddressSanitizer and UBSan', async () => {
  const executable = await compile(UNIT_TEST)
  const { status, stdout, stderr } = spawnSync(executable, { encoding: 'utf8' })
  const wrong = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok '))
  expect(stderr).toBe('')
  expect(wrong).toEqual([expect.stringMatching(/^[1-9]\d* cases, 0 failed checks$/)])
  expect(status).toBe(0)
}, 300_000)
