import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MAIN } from '../harness/daemon.ts'

const folder = mkdtempSync(join(tmpdir(), 'webtrunk-line-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Exit status and what was printed, by a shell in which WEBTRUNK is the built program. */
function shell(line: string) {
  const environment = { PATH: process.env.PATH, WEBTRUNK: `${process.execPath} ${MAIN}` }
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-o', 'pipefail', '-c', line], {
    encoding: 'utf8',
    env: environment,
    cwd: folder,
  })
  return { status, stdout, stderr }
}

test('a command whose reader has gone says nothing of it', () => {
  expect(shell('$WEBTRUNK codes | true')).toEqual({ status: 0, stdout: '', stderr: '' })
})

test('--check without a configuration asks for one', () => {
  expect(shell('$WEBTRUNK --check')).toMatchObject({
    status: 64,
    stdout: '',
    stderr: expect.stringMatching(/^which configuration\? Give --config FILE\n/),
  })
})

test('a start that cannot bind ends with one line, without a stack', () => {
  const config = {
    domain: 'phone.test',
    web: { http: { host: '127.0.0.1', port: 0 } },
    media: { addresses: ['203.0.113.5'] },
  }
  writeFileSync(join(folder, 'webtrunk.json'), JSON.stringify(config))
  expect(shell('$WEBTRUNK --config webtrunk.json')).toMatchObject({
    status: 1,
    stderr:
      'webtrunk could not start: media.webrtcPort: udp 203.0.113.5:10000 cannot be bound: no address of this machine; a public address behind NAT goes into media.announced\n',
  })
})
