import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { brokenRules, importsOf, loadedBy, type Sources } from '../harness/import-rules.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LAYERS = ['gateway', 'sip', 'sdp', 'media', 'config']

function readSources(): Sources {
  const paths = LAYERS.flatMap((layer) =>
    readdirSync(join(ROOT, layer), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => join(ROOT, layer, name)),
  )
  return Object.fromEntries(paths.map((path) => [relative(ROOT, path), readFileSync(path, 'utf8')]))
}

describe('the repository', () => {
  const sources = readSources()

  test('has sources in every layer', () => {
    expect(new Set(Object.keys(sources).map((path) => path.split('/')[0]))).toEqual(new Set(LAYERS))
  })

  test('imports one way, without circles, and packages only where they belong', () => {
    expect(brokenRules(sources)).toEqual([])
  })
})

/** A hook that a module registers when it is loaded. */
const HOOK = /^(?:before|after)(?:Each|All)\(/m
const WITHOUT_ISOLATION = ['unit', 'component', 'vectors', 'fuzz'].map((folder) => `test/${folder}/`)

describe('the tests', () => {
  const sources = Object.fromEntries(
    readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [`test/${name}`, readFileSync(join(ROOT, 'test', name), 'utf8')]),
  )
  const withHook = Object.keys(sources).filter(
    (path) => path.startsWith('test/harness/') && HOOK.test(sources[path] ?? ''),
  )

  // Modules are loaded once for all files of a worker there: the hook would be one of the first file alone.
  test('that share their modules load none that registers a hook', () => {
    const paths = Object.keys(sources).filter((path) =>
      WITHOUT_ISOLATION.some((root) => path.startsWith(root)),
    )
    expect(withHook).toContain('test/harness/daemon.ts')
    expect(
      paths.filter((path) => loadedBy(path, sources).some((loaded) => withHook.includes(loaded))),
    ).toEqual([])
  })

  test('of the daemon load the one that does, however far away', () => {
    expect(loadedBy('test/interop/emergency-calls-always-go-out.test.ts', sources)).toEqual(
      expect.arrayContaining(withHook),
    )
  })
})

describe('the rules', () => {
  test.each([
    ['sip/a.ts', "import { x } from '../gateway/b.ts'"],
    ['config/a.ts', "import type { X } from '../gateway/b.ts'"],
    ['config/a.ts', "import { x } from '../sip/b.ts'"],
    ['sip/a.ts', "import { x } from '../sdp/b.ts'"],
    ['sip/a.ts', "import { x } from '../media/b.ts'"],
    ['media/a.ts', "import { x } from '../sdp/b.ts'"],
    ['media/native/a.ts', "import { x } from '../../sip/b.ts'"],
    ['sdp/a.ts', "import type { X } from '../media/engine.ts'"],
    ['sdp/a.ts', "import type { X } from '../config/config.ts'"],
    ['sip/a.ts', "import { x } from '../config/secret.ts'"],
    ['media/a.ts', "import { type X } from '../config/config.ts'"],
    ['sip/a.ts', "export { x } from '../gateway/b.ts'"],
    ['sip/a.ts', "export * from '../gateway/b.ts'"],
    ['sip/a.ts', "import '../gateway/b.ts'"],
    ['sip/a.ts', "import {\n  x,\n  y,\n} from '../gateway/b.ts'"],
    ['sip/a.ts', "const x = await import('../gateway/b.ts')"],
    ['sip/a.ts', "import x, { type Y } from '../gateway/b.ts'"],
    ['sip/message/a.ts', "import { x } from '../transaction/b.ts'"],
    ['sip/message/a.ts', "import type { X } from '../transaction/b.ts'"],
    ['sip/subscription/a.ts', "import { x } from '../invite/b.ts'"],
    ['sip/transport/a.ts', "import { x } from '../dialog/b.ts'"],
    ['sip/dialog/a.ts', "import { x } from '../user-agent.ts'"],
    ['sip/dialog/a.ts', "import { x } from '../user-agent-contract.ts'"],
    ['sip/unheard-of/a.ts', "import { x } from '../message/b.ts'"],
    ['media/ice/a.ts', "import { x } from '../leg/b.ts'"],
    ['media/leg/a.ts', "import { x } from '../native-session.ts'"],
    ['gateway/a.ts', "import { x } from '../test/b.ts'"],
    ['gateway/a.ts', "import { x } from './pages/b.ts'"],
    ['gateway/pages/a.ts', "import { x } from '../../sip/b.ts'"],
    ['gateway/pages/a.ts', "import { x } from '../b.ts'"],
    ['gateway/pages/a.ts', "import { x } from 'node:fs'"],
    ['sdp/lines.ts', "import { parse } from 'sdp-transform'"],
    ['sip/transport/tcp.ts', "import { WebSocket } from 'ws'"],
    ['gateway/a.ts', "import winston from 'winston'"],
    ['gateway/a.ts', "import { UserAgent } from 'sip.js'"],
    ['gateway/a.ts', "import { UserAgent } from 'sip.js/lib/core'"],
    ['media/a.ts', "import { RTCPeerConnection } from 'werift'"],
    ['media/native/a.ts', "import 'node-addon-api'"],
    ['media/a.ts', "const x = require('werift')"],
    ['config/a.ts', "import x from '@scope/package/file'"],
  ])('%s: %s is refused', (path, text) => {
    expect(brokenRules({ [path]: text })).toHaveLength(1)
  })

  test.each([
    ['gateway/a.ts', "import { x } from '../sip/b.ts'\nimport { y } from '../config/load.ts'"],
    ['gateway/pages/a.ts', "import { UserAgent } from 'sip.js'\nimport { x } from './b.ts'"],
    ['gateway/pages/a.ts', "import { CODES } from '../diagnosis.ts'"],
    ['sdp/a.ts', "import { SRTP_SUITES, type SrtpSuite } from '../media/parameters.ts'"],
    ['sdp/parse.ts', "import { parse } from 'sdp-transform'"],
    ['sip/a.ts', "import type { FailureRow } from '../config/stage.ts'"],
    ['sip/transport/wss.ts', "import { WebSocketServer } from 'ws'"],
    ['sip/invite/a.ts', "import { x } from '../dialog/b.ts'\nimport { y } from './c.ts'"],
    ['sip/dialog/a.ts', "import type { X } from '../user-agent-contract.ts'"],
    ['sip/message/a.ts', "import { SipFailure } from '../failure.ts'"],
    ['sip/a.ts', "import { x } from './invite/b.ts'"],
    ['media/leg/a.ts', "import { x } from '../ice/b.ts'"],
    ['media/a.ts', "import { createHash } from 'node:crypto'"],
    ['sip/a.ts', "// import { x } from '../gateway/b.ts'\n/**\n import { x } from '../gateway/b.ts'\n */"],
    ['sip/a.ts', "export const from = 'x'\nexport type Y = 'z'"],
  ])('%s: %s is allowed', (path, text) => {
    expect(brokenRules({ [path]: text })).toEqual([])
  })

  test('a circle of files is found, with the way round it', () => {
    const sources = {
      'config/a.ts': "import { b } from './b.ts'",
      'config/b.ts': "import type { C } from './deep/c.ts'",
      'config/deep/c.ts': "import { a } from '../a.ts'",
      'config/d.ts': "import { a } from './a.ts'",
    }
    expect(brokenRules(sources)).toEqual([
      'circle: config/a.ts -> config/b.ts -> config/deep/c.ts -> config/a.ts',
    ])
  })

  test('two ways to one file are no circle', () => {
    const sources = {
      'sip/a.ts': "import { b } from './b.ts'\nimport { c } from './c.ts'",
      'sip/b.ts': "import { d } from './d.ts'",
      'sip/c.ts': "import { d } from './d.ts'",
      'sip/d.ts': '',
    }
    expect(brokenRules(sources)).toEqual([])
  })

  test('types are told from values', () => {
    const text = "import type { A } from './a.ts'\nimport { type B } from './b.ts'\nimport type from './c.ts'"
    expect(importsOf(text).map(({ isType }) => isType)).toEqual([true, false, false])
  })
})
