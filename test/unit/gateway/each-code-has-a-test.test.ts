import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../../gateway/diagnosis.ts'

const root = new URL('../../', import.meta.url)
const textsIn = (folders: readonly string[]): string =>
  folders
    .flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8')),
    )
    .join('\n')

const onCallPaths = textsIn(['component', 'interop', 'e2e'])
const apart = textsIn(['unit'])

/** Codes that a unit test causes, because what raises them is a pure function whose callers other tests exercise. */
const APART: ReadonlySet<string> = new Set([
  'sip.foreign-address',
  'sip.interval-too-brief',
  'sip.no-outbound',
  'sip.out-of-order',
  'sip.too-many-flows',
])

/** Codes whose test looks at what the peer sees of them: its title, word for word. */
const BY_TITLE: Readonly<Record<string, string>> = {
  'call.other-device':
    'is refused from another device of the user, and from another user with a device of the same name',
  'dtmf.bad-info': 'INFO without a key is 400, and keys beyond what fingers press are 503',
  'dtmf.too-many': 'INFO without a key is 400, and keys beyond what fingers press are 503',
  'relay.overload': 'one past what one peer may leave unanswered is refused, and another peer is served',
}

describe('each failure code has a test that causes and names it', () => {
  it.each(Object.keys(CODES))('%s', (code) => {
    const texts = APART.has(code) ? apart : onCallPaths
    expect(texts.includes(BY_TITLE[code] ?? `${code}`), `no test names ${code}`).toBe(true)
  })

  it('no exception is left that needs to be none', () => {
    const exceptions = [...APART, ...Object.keys(BY_TITLE)]
    expect(exceptions.filter((code) => onCallPaths.includes(code) || !(code in CODES))).toEqual([])
  })

  it('there are codes of every stage, and 45 at least', () => {
    expect(Object.keys(CODES).length).toBeGreaterThanOrEqual(45)
    expect(new Set(Object.values(CODES).map(({ stage }) => stage)).size).toBe(6)
  })
})
