import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { native } from '../../../media/native/index.ts'

const root = new URL('../../../', import.meta.url)
const text = readFileSync(new URL('README.md', root), 'utf8')

/** `*` stands for a part of a file's name, and at least one file has to have such a name. */
const isThere = (path: string): boolean => {
  if (!path.includes('*')) return existsSync(new URL(path, root))
  const at = path.lastIndexOf('/') + 1
  const [before = '', after = ''] = path.slice(at).split('*', 2)
  return readdirSync(new URL(path.slice(0, at), root)).some(
    (name) => name.startsWith(before) && name.endsWith(after) && name.endsWith('.test.ts'),
  )
}

describe('README', () => {
  const rows = text.split('\n').filter((line) => line.startsWith('| ') && line.includes('`test/'))

  it('has a table of what works', () => {
    expect(rows.length).toBeGreaterThan(20)
  })

  it.each(rows)('names tests that exist: %s', (row) => {
    // A name without a folder stands in the folder of the one before it.
    let folder = ''
    const names = [...row.matchAll(/`(test\/[^`]*|[^`/]*\.test\.ts)`/g)].map(([, name = '']) => {
      if (name.includes('/')) folder = name.slice(0, name.lastIndexOf('/') + 1)
      return name.includes('/') ? name : `${folder}${name}`
    })
    expect(names).not.toEqual([])
    expect(names.filter((name) => !isThere(name))).toEqual([])
  })

  it.each([...text.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path = '']) => path))(
    'links to %s',
    (path) => {
      expect(existsSync(new URL(path, root))).toBe(true)
    },
  )
})

describe("README's production config", () => {
  const folder = mkdtempSync(join(tmpdir(), 'webtrunk-readme-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('loads as it stands, with the files it names', () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
    const { certificatePem, privateKeyPem } = native.createCertificate({
      commonName: 'example.com',
      days: 1,
      names: ['example.com'],
    })
    writeFileSync(join(folder, 'fullchain.pem'), certificatePem)
    writeFileSync(join(folder, 'privkey.pem'), privateKeyPem)
    writeFileSync(join(folder, 'alice.password'), 'secret\n')
    const file = join(folder, 'webtrunk.yaml')
    writeFileSync(file, yaml.replaceAll('/etc/webtrunk/', `${folder}/`))
    const config = loadConfig(file, {})
    expect(config.trunks.map(({ name }) => name)).toEqual(['pbx'])
    expect(config.users[0]?.password?.reveal()).toBe('secret')
  })
})
