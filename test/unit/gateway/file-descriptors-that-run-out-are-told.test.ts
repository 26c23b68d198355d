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
  const looks = [899, 900, 1_000, 899, 900, 800, 799, 899].map((open) => ({ open, limit: 1_000 }))
  const { watch, told } = watched(...looks)
  for (const _ of looks) await watch.look()
  expect(told).toEqual([
    ['error', FEW, { open: 900, limit: 1_000 }],
    ['info', AGAIN, { open: 799, limit: 1_000 }],
  ])
})

test('there is one look at a time, however long the kernel takes', async () => {
  const answers: ((files: OpenFiles) => void)[] = []
  const log = { warn: () => {}, error: () => {}, info: () => {} }
  const watch = new OpenFilesWatch(log, () => new Promise((resolve) => void answers.push(resolve)))
  const looks = [watch.look(), watch.look()]
  expect(answers).toHaveLength(1)
  answers[0]?.({ open: 1, limit: 1_000 })
  await Promise.all(looks)
  void watch.look()
  expect(answers).toHaveLength(2)
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
  const { watch, told } = watched({ open: 0, limit: 2_679 }, { open: 0, limit: 2_680 })
  await watch.checkLimit(config)
  await watch.checkLimit(config)
  expect(told).toEqual([
    [
      'warn',
      'fewer file descriptors than the configuration may need: raise LimitNOFILE (ulimit -n)',
      { limit: 2_679, wanted: 2_680 },
    ],
  ])
})

test('the kernel tells of this process', async () => {
  const { open, limit } = await openFiles()
  expect(open).toBeGreaterThan(2)
  expect(limit).toBeGreaterThan(open)
})
