import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../../', import.meta.url)
const QUIRKS = 49

const rows = readFileSync(new URL('sdp/README.md', root), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, number = '', name = '', files = ''] = /^\| (\d+) \| (.+?) \| (.+) \|$/.exec(line) ?? []
    return number === '' ? [] : [{ number: Number(number), name, files }]
  })

describe('the table of quirks', () => {
  it('has each number once, in order', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: QUIRKS }, (_, index) => index + 1))
  })

  const named = rows.map(({ number, name, files }) => [`${number}, ${name}`, files] as const)

  it.each(named)('%s: names tests that exist', (_, files) => {
    const written = files.split(', ').map((file) => /^`(test\/[a-z0-9/-]+\.test\.ts)`$/.exec(file)?.[1])
    expect(written).not.toContain(undefined)
    expect(written.filter((file) => !existsSync(new URL(file ?? '', root)))).toEqual([])
  })
})
