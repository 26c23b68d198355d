import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { isMapping } from '../../../config/format.ts'
import { WEB_LISTENER } from '../../../config/listeners.ts'
import { loadConfig } from '../../../config/load.ts'
import { TRUNK_LIMITS, USER_LIMITS } from '../../../config/routing-fields.ts'
import {
  environmentName,
  fieldsOf,
  GROUP_MEMBER,
  ROWS,
  SCHEMA,
  TRUNK_ACCOUNT,
  TRUNK_INBOUND,
  TRUNK_TLS,
} from '../../../config/schema.ts'
import { native } from '../../../media/native/index.ts'
import { fakeMachine } from './machine.ts'

const PATH = fileURLToPath(new URL('../../../config/webtrunk.example.yaml', import.meta.url))
const example = readFileSync(PATH, 'utf8')

/** The example with every default that it mentions: `# key: value` becomes `key: value`. */
const complete = example.replace(/^(\s*)# (?=[A-Za-z0-9]+:(?: |$))/gm, '$1')

function valueAt(tree: unknown, path: string): unknown {
  return path.split('.').reduce((node, name) => (isMapping(node) ? node[name] : undefined), tree)
}

const { certificatePem, privateKeyPem } = native.createCertificate({
  commonName: 'phone.example.com',
  days: 1,
  names: ['phone.example.com'],
})
const FILES = {
  '/etc/webtrunk/c.yaml': example,
  '/etc/webtrunk/secrets/alice': 'hunter2\n',
  '/etc/webtrunk/secrets/provider': 'hunter3\n',
  '/etc/webtrunk/secrets/pbx': 'hunter4\n',
  '/etc/webtrunk/tls/provider-ca.pem': certificatePem,
}
const WITHOUT_CERTIFICATE = fakeMachine(FILES)
const MACHINE = fakeMachine({
  ...FILES,
  '/etc/webtrunk/tls/fullchain.pem': certificatePem,
  '/etc/webtrunk/tls/privkey.pem': privateKeyPem,
})

describe('config/webtrunk.example.yaml', () => {
  test('loads; only its certificate is the operator to bring', () => {
    const config = loadConfig('/etc/webtrunk/c.yaml', {}, MACHINE)
    expect(config.users).toHaveLength(3)
    expect(config.trunks.map(({ media }) => media)).toEqual(['rtp', 'sdes', 'rtp'])
    expect(config.routes.map(({ trunk }) => trunk)).toEqual([
      undefined,
      undefined,
      'carrier',
      'outside',
      'pbx',
    ])
    expect(() => loadConfig('/etc/webtrunk/c.yaml', {}, WITHOUT_CERTIFICATE)).toThrow(
      expect.objectContaining({
        mistakes: [
          {
            key: 'web.https.certificate',
            expected: 'a readable file',
            seen: 'no file /etc/webtrunk/tls/fullchain.pem (ENOENT)',
          },
          {
            key: 'web.https.key',
            expected: 'a readable file',
            seen: 'no file /etc/webtrunk/tls/privkey.pem (ENOENT)',
          },
          {
            key: 'tls.certificate',
            expected: 'a readable file',
            seen: 'no file /etc/webtrunk/tls/fullchain.pem (ENOENT)',
          },
          {
            key: 'tls.key',
            expected: 'a readable file',
            seen: 'no file /etc/webtrunk/tls/privkey.pem (ENOENT)',
          },
        ],
      }),
    )
  })

  const tree: unknown = parse(complete)
  test.each(fieldsOf(SCHEMA))('shows %s', (path) => {
    expect(valueAt(tree, path)).toBeDefined()
  })

  const uncommented: unknown = parse(example)
  const commented = fieldsOf(SCHEMA).filter(([path]) => valueAt(uncommented, path) === undefined)

  test.each(commented)('a commented %s is its default', (path, field) => {
    expect(valueAt(tree, path)).toEqual(field.default)
  })

  test.each(Object.entries(ROWS))('shows every key of %s', (list, fields) => {
    const rows: unknown = valueAt(tree, list)
    const keys = Array.isArray(rows) ? rows.flatMap((row: unknown) => Object.keys(Object(row))) : []
    expect([...new Set(keys)].sort()).toEqual(Object.keys(fields).sort())
  })

  test('shows every key of web.listeners', () => {
    const [, row = ''] = /^ {2}# {3}- (\{ host:.*\})$/m.exec(example) ?? []
    const keys = Object.keys(Object(parse(row)))
    expect(keys.sort()).toEqual(Object.keys(WEB_LISTENER).sort())
  })

  test.each([
    ['tls', TRUNK_TLS, []],
    ['account', TRUNK_ACCOUNT, ['password']],
    ['inbound', TRUNK_INBOUND, ['password']],
    ['limits', TRUNK_LIMITS, []],
  ] as const)('shows every key of %s of a trunk', (name, fields, others) => {
    const trunks: unknown = valueAt(tree, 'trunks')
    const keys = Array.isArray(trunks)
      ? trunks.flatMap((row: unknown) => Object.keys(Object(valueAt(row, name))))
      : []
    expect([...keys, ...others].sort()).toEqual(Object.keys(fields).sort())
  })
})

test('it shows every key of limits of a user', () => {
  const users: unknown = valueAt(parse(complete), 'users')
  const keys = Array.isArray(users)
    ? users.flatMap((row: unknown) => Object.keys(Object(valueAt(row, 'limits'))))
    : []
  expect(keys.sort()).toEqual(Object.keys(USER_LIMITS).sort())
})

test('it shows every key of a member of a group', () => {
  const tree: unknown = parse(complete)
  const groups: unknown = valueAt(tree, 'groups')
  const members = Array.isArray(groups) ? groups.flatMap((row: unknown) => valueAt(row, 'trunks')) : []
  const keys = new Set(members.flatMap((row: unknown) => Object.keys(Object(row))))
  expect([...keys].sort()).toEqual(Object.keys(GROUP_MEMBER).sort())
})

describe('the schema', () => {
  test('each key has a doc and an environment name of its own', () => {
    const fields = fieldsOf(SCHEMA)
    const names = fields.map(([, { env }]) => env)
    expect(new Set(names).size).toBe(fields.length)
    for (const [path, { doc, env }] of fields) {
      expect(doc).toMatch(/^[A-Z].*\.$/)
      expect(env).toBe(environmentName(path))
    }
  })

  test.each([
    ['web.https.port', 'WEBTRUNK_WEB_HTTPS_PORT'],
    ['calls.maxCalls', 'WEBTRUNK_CALLS_MAX_CALLS'],
    ['registration.md5', 'WEBTRUNK_REGISTRATION_MD5'],
    ['media.webrtcPort', 'WEBTRUNK_MEDIA_WEBRTC_PORT'],
  ])('%s is %s', (path, name) => {
    expect(environmentName(path)).toBe(name)
  })
})
