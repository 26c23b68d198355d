import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../../gateway/diagnosis.ts'
import { expectedWords } from '../../harness/expected-words.ts'

const root = new URL('../../', import.meta.url)
const wordsIn = (folders: readonly string[]): string =>
  folders
    .flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .flatMap((name) => expectedWords(readFileSync(new URL(`${folder}/${name}`, root), 'utf8'))),
    )
    .join('\n')

const onCallPaths = wordsIn(['component', 'interop', 'e2e'])
const apart = wordsIn(['unit'])

/** As a word of its own: `call.refused` is not `call.refused-here`. */
const names = (words: string, code: string): boolean =>
  new RegExp(`(?<![\\w.-])${code.replaceAll('.', '\\.')}(?![\\w-])`).test(words)

/** Codes that a unit test causes, because what raises them is a pure function whose callers other tests exercise. */
const APART: ReadonlySet<string> = new Set([
  'media.shed',
  'sip.interval-too-brief',
  'sip.no-outbound',
  'sip.out-of-order',
  'sip.too-many-flows',
])

describe('each failure code has a test that causes it and insists on it', () => {
  it.each(Object.keys(CODES))('%s', (code) => {
    expect(names(APART.has(code) ? apart : onCallPaths, code), `no test insists on ${code}`).toBe(true)
  })

  it('no exception is left that needs to be none', () => {
    expect([...APART].filter((code) => names(onCallPaths, code) || !(code in CODES))).toEqual([])
  })

  it('there are codes of every stage, and 45 at least', () => {
    expect(Object.keys(CODES).length).toBeGreaterThanOrEqual(45)
    expect(new Set(Object.values(CODES).map(({ stage }) => stage)).size).toBe(6)
  })
})

describe('what a test insists on', () => {
  it.each([
    ["expect(seen).toBe('a.b')", ["'a.b'"]],
    ['expect(seen).toMatch(/text="a\\.b"/)', ['/text="a.b"/']],
    ["gateway.expectsVerdicts(['a.b', 'c.d'])", ["'a.b'", "'c.d'"]],
    ["expect(list).toMatchObject({ code: 'a.b', at: [f('c.d')] })", ["'a.b'", "'c.d'"]],
    ["it.each([['a.b', 1]])('%s', (code) => { expect(seen).toBe(code) })", ["'a.b'"]],
    [
      "it.each([['a.b', (t) => t.replace(/'\\)/g, 'x')]])('%s', (code) => { expectFailure(code) })",
      ["'a.b'"],
    ],
  ])('%s', (source, words) => {
    expect(expectedWords(source)).toEqual(expect.arrayContaining(words))
  })

  it.each([
    "it('a.b is raised', () => { expect(1).toBe(1) })",
    "// expect(seen).toBe('a.b')",
    "/* toBe('a.b') */ expect(`toBe('a.b')`.length)",
    "throw new Failure('a.b')",
    "it.each([['a.b']])('%s', (code) => { raise(code) })",
    "const code = 'a.b'; expect(1 / 2).toBe(2 / 1)",
  ])('not in %s', (source) => {
    expect(expectedWords(source).join()).not.toContain("'a.b'")
  })
})
