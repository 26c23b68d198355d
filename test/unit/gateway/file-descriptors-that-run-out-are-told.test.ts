import { expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { type OpenFiles, OpenFilesWatch, openFiles } from '../../../gateway/open-files.ts'

const systemError = (code: string): Error => Object.assign(new Error(code), { code })

function watched(...answers: readonly (OpenFiles | Error)[]) {
  const told: unknown[] = []
  const tell = (level: string) => (message: string, fields?: unknown) =>
    void told.push([level, message, fields])
  const rest = [...answers]
  const watch = new OpenFilesWatch(
    { warn: tell('warn'), error: tell('error'), info: tell('info') },
    async () => {
      const answer = rest.shift()
      if (answer === undefined || answer instanceof Error) throw answer
      return answer
    },
  )
  return { watch, told }
}

const FEW = 'no file descriptors are left, or few: connections and calls fail'
const AGAIN = 'there are file descriptors again'

test('few left are told once, and that there are some again', async () => {
  const { watch, told } = watched(...[899, 900, 1_000, 899].map((open) => ({ open, limit: 1_000 })))
  for (let look = 0; look < 4; look += 1) await watch.look()
  expect(told).toEqual([
    ['error', FEW, { open: 900, limit: 1_000 }],
    ['info', AGAIN, { open: 899, limit: 1_000 }],
  ])
})

test.each(['EMFILE', 'ENFILE'])('none left to look with is the same (%s)', async (code) => {
  const { watch, told } = watched(systemError(code))
  await watch.look()
  expect(told).toEqual([['error', FEW, {}]])
})

test('where the kernel tells nothing, nothing is told', async () => {
  const { watch, told } = watched(systemError('ENOENT'), systemError('ENOENT'))
  await watch.look()
  await watch.checkLimit(loadConfig(undefined, {}))
  expect(told).toEqual([])
})

test('a limit lower than what may be wanted is told at start', async () => {
  const base = loadConfig(undefined, {})
  const config = {
    ...base,
    web: { ...base.web, maxConnections: 100 },
    calls: { ...base.calls, maxCalls: 10 },
    emergency: undefined,
  }
  const { watch, told } = watched({ open: 0, limit: 631 }, { open: 0, limit: 632 })
  await watch.checkLimit(config)
  await watch.checkLimit(config)
  expect(told).toEqual([
    [
      'warn',
      'fewer file descriptors than the configuration may need: raise LimitNOFILE (ulimit -n)',
      { limit: 631, wanted: 632 },
    ],
  ])
})

test('the kernel tells of this process', async () => {
  const { open, limit } = await openFiles()
  expect(open).toBeGreaterThan(2)
  expect(limit).toBeGreaterThan(open)
})
