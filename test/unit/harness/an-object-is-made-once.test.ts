import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { once } from '../../native/once.ts'

/** Above the highest that Linux gives. */
const NO_PROCESS = 2 ** 30

let folder = ''
let output = ''
let made = 0
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'once-'))
  output = join(folder, 'object.o')
  made = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

const make = async (): Promise<void> => {
  await delay(1)
  made += 1
  writeFileSync(output, '')
}

test('for all that want it at the same time, and later', async () => {
  await Promise.all([once(output, make), once(output, make), once(output, make)])
  await once(output, make)
  expect(made).toBe(1)
})

test('by the next, when the first failed', async () => {
  const failing = async (): Promise<void> => {
    await delay(1)
    throw new Error('no compiler')
  }
  const [first] = await Promise.allSettled([once(output, failing), once(output, make)])
  expect(first.status).toBe('rejected')
  expect(made).toBe(1)
})

test('when who began it has ended', async () => {
  writeFileSync(`${output}.lock`, String(NO_PROCESS))
  await once(output, make)
  expect(made).toBe(1)
  expect(existsSync(`${output}.lock`)).toBe(false)
})
