import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { createLog, type Log } from '../../../config/logging.ts'
import { Secret } from '../../../config/secret.ts'
import { MAX_WAITING_BYTES } from '../../../config/slow-reader.ts'

const NOW = new Date('2026-01-02T03:04:05.678Z')

function capture(
  format: 'json' | 'pretty',
  level: 'error' | 'warn' | 'info' | 'debug',
  write: (log: Log) => void,
): string {
  const stream = new PassThrough()
  write(createLog({ format, level }, stream, () => NOW))
  return String(stream.read() ?? '')
}

const jsonLine = (write: (log: Log) => void): Record<string, unknown> =>
  JSON.parse(capture('json', 'debug', write))

describe('json', () => {
  test('one line an event: time, level, message, then fields', () => {
    const text = capture('json', 'info', (log) => {
      log.info('call answered', { callId: 'c1', leg: 'callee' })
      log.warn('call failed')
    })
    expect(text).toBe(
      '{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"call answered","callId":"c1","leg":"callee"}\n' +
        '{"time":"2026-01-02T03:04:05.678Z","level":"warn","message":"call failed"}\n',
    )
  })

  test('children carry their fields, and the nearest wins', () => {
    const line = jsonLine((log) => {
      log.child({ callId: 'c1', trunk: 'a' }).child({ trunk: 'b' }).debug('x', { leg: 'caller' })
    })
    expect(line).toMatchObject({ callId: 'c1', trunk: 'b', leg: 'caller' })
  })

  test('a field cannot take the place of time, level or message', () => {
    const line = jsonLine((log) =>
      log.error('real', { message: 'false', level: 'info', time: 0, stack: 'false' }),
    )
    expect(line).toEqual({ time: NOW.toISOString(), level: 'error', message: 'real', stack: 'false' })
  })
})

describe.each(['json', 'pretty'] as const)('%s', (format) => {
  test('writes nothing below its level', () => {
    const text = capture(format, 'warn', (log) => {
      log.debug('no')
      log.info('no')
      log.warn('yes')
      log.error('yes')
    })
    expect(text.trimEnd().split('\n')).toHaveLength(2)
    expect(text).not.toContain('no')
  })

  test('secrets and bytes do not show, however deep', () => {
    const secret = new Secret('hunter2')
    const text = capture(format, 'info', (log) => {
      log.child({ secret }).info('x', {
        list: [secret, { secret }],
        map: new Map([['key', secret]]),
        set: new Set([secret]),
        bytes: Buffer.from('hunter2'),
        words: new Uint32Array([0x746e7568]),
        text: `${secret}`,
      })
    })
    expect(text).toContain('[redacted]')
    expect(text).toContain('[7 bytes]')
    expect(text).not.toContain('hunt')
    expect(text).not.toMatch(/104|1953396072/)
  })

  test.each([
    ['line feed', '\n'],
    ['carriage return', '\r'],
    ['escape', '\u001b[2J'],
    ['delete', '\u007f'],
    ['C1 control', '\u009b2J'],
    ['line separator', '\u2028'],
    ['right-to-left override', '\u202e'],
  ])('%s is escaped in message, names and values', (_name, evil) => {
    const text = capture(format, 'info', (log) => {
      log.info(`m${evil}`, {
        [`n${evil}`]: `v${evil}`,
        error: new Error(`e${evil}`),
        deep: { [evil]: [evil] },
      })
    })
    expect(text).not.toContain(evil === '\n' ? 'm\n' : evil)
    expect(text.split('\n').filter((line) => /^[{0-9]/.test(line))).toHaveLength(1)
  })

  test('no value makes it throw', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const trap = {
      get inner(): never {
        throw new Error('trap')
      },
    }
    const endless = { toJSON: () => endless }
    const values: unknown[] = [
      cycle,
      trap,
      endless,
      10n,
      Symbol('s'),
      () => 1,
      undefined,
      null,
      Number.NaN,
      '\ud800',
    ]
    const text = capture(format, 'info', (log) => {
      for (const value of values) log.info('x', { value, list: [value] })
    })
    expect(text.trimEnd().split('\n')).toHaveLength(values.length)
  })

  test('a huge value is cut', () => {
    const text = capture(format, 'info', (log) => {
      log.info('x'.repeat(100_000), {
        text: 'y'.repeat(100_000),
        list: Array.from({ length: 100_000 }, () => 1),
      })
    })
    expect(text.length).toBeLessThan(10_000)
    expect(text).toContain('(100000 characters)')
  })

  test('an error shows message, stack and cause', () => {
    const text = capture(format, 'info', (log) => {
      log.error('x', { error: new TypeError('outer', { cause: new Error('inner') }) })
    })
    expect(text).toContain('TypeError')
    expect(text).toContain('outer')
    expect(text).toContain('inner')
    expect(text).toContain('log-lines-cannot-be-forged')
  })

  test('a reader that has gone costs lines and nothing else', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('EPIPE'), { code: 'EPIPE' })),
    })
    const log = createLog({ format, level: 'info' }, broken)
    log.info('lost')
    await new Promise(setImmediate)
    log.info('lost too')
    // Without a listener each of them would end the process as an uncaught error event.
    await new Promise(setImmediate)
    expect(broken.destroyed).toBe(true)
  })
})

// What standard output had not been rid of was kept: a container whose log driver stood still died of it.
test('one line past what may wait for a reader is left out, errors later; how many is told when it reads again', async () => {
  const chunks: string[] = []
  let readOn = (): void => {}
  let isRead = false
  const held = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      chunks.push(String(chunk))
      readOn = done
      if (isRead) done()
    },
  })
  const log = createLog({ format: 'pretty', level: 'info' }, held)
  const text = 'x'.repeat(1_000)
  const fill = (level: 'info' | 'error'): void => {
    let before = -1
    while (before !== held.writableLength) {
      before = held.writableLength
      log[level](text)
    }
  }
  fill('info')
  expect(held.writableLength).toBeGreaterThan(MAX_WAITING_BYTES)
  expect(held.writableLength).toBeLessThan(MAX_WAITING_BYTES + 2_000)
  log.warn(text)
  log.error('still told')
  fill('error')
  expect(held.writableLength).toBeLessThan(2 * MAX_WAITING_BYTES + 2_000)
  isRead = true
  const drained = once(held, 'drain')
  readOn()
  await drained
  log.info('afterwards')
  await vi.waitFor(() => expect(chunks.at(-1)).toContain('afterwards'))
  const lines = chunks.slice(-2)
  expect(chunks.some((line) => line.includes('still told'))).toBe(true)
  expect(lines[0]).toMatch(/warn {2}lines left out, nobody read them {2}leftOut=3/)
  log.info('x')
  expect(chunks.filter((line) => line.includes('left out'))).toHaveLength(1)
})

describe('pretty', () => {
  test('one line: clock, level, message, fields; quotes only where needed', () => {
    const text = capture('pretty', 'info', (log) => {
      log.info('call answered', {
        callId: 'c1',
        remote: '192.0.2.1:5060',
        reason: 'two words',
        none: undefined,
      })
    })
    expect(text).toBe(
      '03:04:05.678 info  call answered  callId=c1  remote=192.0.2.1:5060  reason="two words"\n',
    )
  })
})
