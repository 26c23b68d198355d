import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { GATEWAY_CODES } from '../../../gateway/gateway-failure.ts'
import { native } from '../../../media/native/index.ts'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const text = read('README.md')

/** `*` stands for a part of a file's name, and at least one file has to have such a name. */
const isThere = (path: string): boolean => {
  if (!path.includes('*')) return existsSync(new URL(path, root))
  const at = path.lastIndexOf('/') + 1
  const [before = '', after = ''] = path.slice(at).split('*', 2)
  return readdirSync(new URL(path.slice(0, at), root)).some(
    (name) => name.startsWith(before) && name.endsWith(after) && name.endsWith('.test.ts'),
  )
}

/** As GitHub names the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number} _-]/gu, '')
    .replaceAll(' ', '-')

/** Whether a link of `from` leads to a file or folder, and its anchor to a heading there. */
const leads = (from: string, link: string): boolean => {
  const [path = '', anchor] = link.split('#')
  const to = new URL(path === '' ? from : path, new URL(from, root))
  if (!existsSync(to)) return false
  if (anchor === undefined) return true
  return [...readFileSync(to, 'utf8').matchAll(/^#+ (.*)$/gm)].some(
    ([, name = '']) => anchorOf(name) === anchor,
  )
}

describe.each([
  ['README.md', 12],
  ['test/README.md', 60],
] as const)('%s', (path, atLeast) => {
  const page = read(path)
  const rows = page.split('\n').filter((line) => line.startsWith('| ') && line.includes('`test/'))

  it('has a table of what works', () => {
    expect(rows.length).toBeGreaterThanOrEqual(atLeast)
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

  it.each([...page.matchAll(/\]\((?!http)([^)]+)\)/g)].map(([, link = '']) => link))(
    'links to %s',
    (link) => {
      expect(leads(path, link)).toBe(true)
    },
  )
})

describe('test/README.md', () => {
  const page = read('test/README.md')
  const folders = readdirSync(new URL('test/', root), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )

  it.each(folders.map(({ name }) => name))('says what is in test/%s', (name) => {
    expect(page).toContain(`| \`${name}/\` |`)
  })
})

describe("README's call that failed", () => {
  it('is told in the words of the daemon', () => {
    const { text: what, cause, remedy } = GATEWAY_CODES['trunk.unreachable']
    expect(text).toContain(`   what      ${what}\n`)
    expect(text).toContain(`   cause     ${cause}\n   do        ${remedy}\n`)
  })
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
