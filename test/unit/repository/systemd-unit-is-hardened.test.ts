import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldsOf, SCHEMA } from '../../../config/schema.ts'

const unit = readFileSync(fileURLToPath(new URL('../../../config/webtrunk.service', import.meta.url)), 'utf8')
const valuesOf = (key: string) =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)

/** What systemd 252 prints for the unit is 1.1; the margin is for other versions, which weigh a little differently. */
const MAX_EXPOSURE = 2

describe('config/webtrunk.service', () => {
  let folder = ''
  let path = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'webtrunk-unit-'))
    path = join(folder, 'webtrunk.service')
    // systemd looks whether the program is there, and Node.js may live elsewhere on this machine.
    writeFileSync(path, unit.replace('/usr/bin/node', process.execPath))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('systemd finds nothing to complain about', () => {
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' })
    // Other units of this machine may have faults of their own.
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('webtrunk.service'))
    expect(complaints).toEqual([])
    expect(status).toBe(0)
  })

  test('a misspelt directive would be complained about', () => {
    const bad = join(folder, 'bad.service')
    writeFileSync(
      bad,
      unit.replace('/usr/bin/node', process.execPath).replace('NoNewPrivileges', 'NoNewPrivilege'),
    )
    const { stderr } = spawnSync('systemd-analyze', ['verify', bad], { encoding: 'utf8' })
    expect(stderr).toContain('NoNewPrivilege')
  })

  test('its exposure is low', () => {
    const arguments_ = ['security', '--offline=true', '--no-pager', path]
    const { stdout } = spawnSync('systemd-analyze', arguments_, { encoding: 'utf8' })
    const exposure = /Overall exposure level for webtrunk\.service: ([\d.]+)/.exec(stdout)?.[1]
    expect(Number(exposure)).toBeLessThan(MAX_EXPOSURE)
  })

  test('lets V8 compile, and calls end before it kills', () => {
    expect(valuesOf('MemoryDenyWriteExecute')).toEqual([])
    const fields = new Map(fieldsOf(SCHEMA))
    const [usualS, emergencyS] = ['calls.drainTimeoutS', 'emergency.drainTimeoutS'].map((key) =>
      Number(fields.get(key)?.default),
    )
    // All calls, then emergency calls, then the last answers.
    const mostS = 2 * Number(usualS) + Number(emergencyS)
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(mostS)
    expect(valuesOf('KillSignal')).toEqual(['SIGTERM'])
  })

  test('has folders for the sockets and for the call records', () => {
    expect(valuesOf('RuntimeDirectory')).toEqual(['webtrunk'])
    expect(valuesOf('LogsDirectory')).toEqual(['webtrunk'])
    expect(valuesOf('ProtectSystem')).toEqual(['strict'])
  })

  test('does not restart on a wrong configuration', () => {
    expect(valuesOf('RestartPreventExitStatus')).toEqual(['78'])
    expect(valuesOf('StartLimitIntervalSec')).toEqual(['0'])
  })

  test('starts again what a reload has ended before there was a daemon to hear it', () => {
    expect(valuesOf('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
    expect(valuesOf('RestartForceExitStatus')).toEqual(['SIGHUP'])
  })
})
