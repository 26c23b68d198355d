import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { fakeMachine } from './machine.ts'

const loadDemo = (environment: Readonly<Record<string, string>> = {}) =>
  loadConfig(undefined, environment, fakeMachine({}, { randomBytes }))

describe('without a config file', () => {
  test('there are alice and bob, a self-signed https listener, http on this host only, and no trunk', () => {
    const config = loadDemo()
    expect(config).toMatchObject({
      demo: true,
      web: {
        https: { host: '0.0.0.0', port: 8443, certificate: undefined, key: undefined },
        http: { host: '127.0.0.1', port: 8080 },
        page: true,
      },
      udp: { host: ['127.0.0.1'] },
      trunks: [],
      routes: [],
      media: { addresses: ['127.0.0.1', '192.0.2.7'] },
    })
    expect(config.users.map(({ name }) => name)).toEqual(['alice', 'bob'])
  })

  test('every password is new, long, and fits a URL fragment', () => {
    const passwords = [loadDemo(), loadDemo()].flatMap(({ users }) =>
      users.map(({ password }) => password?.reveal()),
    )
    expect(new Set(passwords).size).toBe(4)
    for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9_-]{16}$/)
  })

  test('the environment may move ports or turn a listener off', () => {
    expect(loadDemo({ WEBTRUNK_WEB_HTTP_PORT: '0', WEBTRUNK_WEB_HTTPS_PORT: 'off' }).web).toMatchObject({
      https: undefined,
      http: { port: 0 },
    })
  })

  test('a trunk in the environment is refused', () => {
    expect(() => loadDemo({ WEBTRUNK_TRUNKS: '[{ name: pbx, host: 192.0.2.9 }]' })).toThrow(
      'WEBTRUNK_TRUNKS (trunks): expected none without a config file, seen a list of 1',
    )
  })
})
