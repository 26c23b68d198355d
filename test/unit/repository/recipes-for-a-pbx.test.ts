import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { native } from '../../../media/native/index.ts'
import { fakeMachine } from '../config/machine.ts'

const root = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const modes = read('config/registrar-modes.md')
const recipes = [...modes.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml)

const { certificatePem, privateKeyPem } = native.createCertificate({
  commonName: 'example.com',
  days: 1,
  names: ['example.com'],
})
const load = (yaml: string) =>
  loadConfig(
    '/etc/webtrunk/c.yaml',
    {},
    fakeMachine({
      '/etc/webtrunk/c.yaml': yaml,
      '/etc/webtrunk/fullchain.pem': certificatePem,
      '/etc/webtrunk/privkey.pem': privateKeyPem,
    }),
  )

describe('config/registrar-modes.md', () => {
  test('has a recipe for each of the three ways, each of which loads', () => {
    const [local, byBrowsers, byGateway] = recipes.map(load)
    expect(recipes).toHaveLength(3)
    expect(local?.upstream).toBeUndefined()
    expect(byBrowsers?.upstream).toMatchObject({
      credentials: 'browser',
      local: { host: ['192.0.2.11'], port: 5_070 },
    })
    expect(byGateway?.upstream).toMatchObject({ credentials: 'gateway' })
    expect(byGateway?.users[0]?.account?.user).toBe('1001')
  })
})

describe('recipes for a PBX that we cannot run', () => {
  const files = ['docker/recipes/asterisk/pjsip-upstream.conf', 'docker/recipes/freeswitch/user-upstream.xml']

  test.each(files)('%s says so, is told of in the README, and holds no password', (path) => {
    const text = read(path)
    expect(text).toMatch(/[Bb]y documentation, not run/)
    expect(read('docker/recipes/README.md')).toContain(`(${path.slice('docker/recipes/'.length)})`)
    const passwords = [...text.matchAll(/password(?:=|" value=")([^"\n]*)/g)].map(([, value]) => value)
    expect(passwords.every((value) => value === 'CHANGE-ME')).toBe(true)
  })

  test('the ones for users know no address that would let them in without a password', () => {
    expect(read('docker/recipes/asterisk/pjsip-upstream.conf')).not.toMatch(/^type=identify$/m)
  })
})
