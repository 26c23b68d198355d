import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { watchFiles } from '../../../gateway/web/watched-files.ts'

const LOOK_MS = 20
const MANY_LOOKS_MS = 10 * LOOK_MS

let folder: string
let stop: () => void
let told: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'webtrunk-files-'))
  write('a')
  write('b')
  told = 0
})
afterEach(() => {
  stop()
  rmSync(folder, { recursive: true })
})

const path = (name: string): string => join(folder, name)
const write = (name: string, text = name): void => writeFileSync(path(name), text)
const watch = (...names: readonly string[]): void => {
  stop = watchFiles(
    names.map(path),
    () => {
      told += 1
    },
    LOOK_MS,
  )
}
const untilTold = (times: number): Promise<void> =>
  vi.waitFor(() => expect(told).toBe(times), { timeout: 10_000, interval: 5 })

it('tells of a file that was replaced before the first look', async () => {
  watch('a', 'b')
  write('next', 'another')
  renameSync(path('next'), path('b'))
  await untilTold(1)
})

it('tells of what a symbolic link leads to, of a file that is gone, and that it is back', async () => {
  symlinkSync('a', path('link'))
  watch('link')
  symlinkSync('b', path('other'))
  renameSync(path('other'), path('link'))
  await untilTold(1)
  unlinkSync(path('link'))
  await untilTold(2)
  write('link')
  await untilTold(3)
})

it('says nothing while nothing changes, nor after its end', async () => {
  watch('a', 'missing')
  await sleep(MANY_LOOKS_MS)
  expect(told).toBe(0)
  stop()
  write('a', 'another')
  await sleep(MANY_LOOKS_MS)
  expect(told).toBe(0)
})
