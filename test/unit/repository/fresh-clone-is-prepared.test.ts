import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const PREPARE = new URL('../../../gateway/prepare.mjs', import.meta.url).href
const MISSING = "[{ name: 'nosuch', commands: ['webtrunk-nosuch'] }, { name: 'node', commands: ['node'] }]"

/** Starts a process that prepares as `script` says; the names of prepare.mjs are in scope as `prepare`. */
const argumentsFor = (script: string) => [
  '--input-type=module',
  '-e',
  `const prepare = await import(${JSON.stringify(PREPARE)}); ${script}`,
]

describe('a missing Debian package', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'webtrunk-prepare-'))
    writeFileSync(join(folder, 'apt-get'), `#!/bin/sh\necho "$@" >> ${join(folder, 'calls')}\n`)
    writeFileSync(join(folder, 'node'), '')
    chmodSync(join(folder, 'apt-get'), 0o755)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const requireAs = (uid: number) =>
    spawnSync(
      process.execPath,
      argumentsFor(`process.getuid = () => ${uid}; await prepare.requirePackages(${MISSING})`),
      { encoding: 'utf8', env: { PATH: folder } },
    )

  test('is named with the line to type when we are not root', () => {
    const { status, stderr } = requireAs(1000)
    expect(status).toBe(1)
    expect(stderr).toContain('sudo apt-get install -y --no-install-recommends nosuch\n')
    expect(existsSync(join(folder, 'calls'))).toBe(false)
  })

  test('is installed, and said to be, when we are root', () => {
    const { status, stdout } = requireAs(0)
    expect(stdout).toBe('installing Debian packages: nosuch\n')
    expect(status).toBe(0)
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe(
      'update\ninstall -y --no-install-recommends nosuch\n',
    )
  })
})

describe('a step of the preparation', () => {
  test('ends us with its own status when it fails', () => {
    const script = "await prepare.run(process.execPath, ['-e', 'process.exit(3)']); console.log('went on')"
    const { status, stdout } = spawnSync(process.execPath, argumentsFor(script), { encoding: 'utf8' })
    expect(status).toBe(3)
    expect(stdout).not.toContain('went on')
  })

  test('gets the signal that ends us, and we wait for it', async () => {
    const step = `process.on('SIGTERM', () => { console.log('step ended'); process.exit(0) });
      console.log('step runs'); setInterval(() => {}, 1000)`
    const child = spawn(
      process.execPath,
      argumentsFor(`await prepare.run(process.execPath, ['-e', ${JSON.stringify(step)}])`),
    )
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output === 'step runs\n') child.kill('SIGTERM')
    })
    const [status] = await once(child, 'close')
    expect(output).toBe('step runs\nstep ended\n')
    expect(status).toBe(143)
  })
})
