import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { isMapping } from '../../../config/format.ts'
import { fieldsOf, SCHEMA } from '../../../config/schema.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const at = (value: unknown, ...keys: readonly string[]): unknown =>
  keys.reduce((node, key) => (isMapping(node) ? node[key] : undefined), value)

interface Instruction {
  readonly name: string
  readonly words: readonly string[]
  readonly text: string
}

/** Instructions of one stage each, from its FROM on. */
function stagesOf(dockerfile: string): readonly (readonly Instruction[])[] {
  const lines = dockerfile
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: Instruction[][] = []
  for (const line of lines) {
    const [name = '', ...words] = line.split(/\s+/)
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, words, text: words.join(' ') })
  }
  return stages
}

const [build = [], runtime = []] = stagesOf(read('docker/Dockerfile'))
const all = (stage: readonly Instruction[], name: string) =>
  stage.filter((instruction) => instruction.name === name)
const textOf = (stage: readonly Instruction[], name: string) => all(stage, name).map(({ text }) => text)
const packageFile: unknown = JSON.parse(read('package.json'))

describe('docker/Dockerfile', () => {
  test('has a build and a runtime stage on one Node.js that we support', () => {
    const images = [build, runtime].map((stage) => /^node:(\d+)-(\w+)/.exec(textOf(stage, 'FROM')[0] ?? ''))
    expect(images[0]?.slice(1)).toEqual(images[1]?.slice(1))
    const floor = Number(/>=(\d+)/.exec(String(at(packageFile, 'engines', 'node')))?.[1])
    expect(Number(images[0]?.[1])).toBeGreaterThanOrEqual(floor)
  })

  const copied = [...all(build, 'COPY'), ...all(runtime, 'COPY')]
    .filter(({ words }) => !words.some((word) => word.startsWith('--from')))
    .flatMap(({ words }) => words.slice(0, -1))
  test.each(copied)('copies %s, which exists and is in the build context', (path) => {
    expect(existsSync(join(ROOT, path))).toBe(true)
    expect(read('.dockerignore').split('\n')).toContain(`!${path.split('/')[0]}`)
  })

  test('copies every folder that the TypeScript build includes', () => {
    const included: unknown = at(JSON.parse(read('tsconfig.build.json')), 'include')
    expect(copied).toEqual(expect.arrayContaining(included as string[]))
  })

  test('takes only what the build makes from the build stage', () => {
    const taken = all(runtime, 'COPY').flatMap(({ words }) =>
      words.filter((word) => word.startsWith('/opt/webtrunk/')),
    )
    expect(taken).toEqual([
      '/opt/webtrunk/node_modules',
      '/opt/webtrunk/dist',
      `/opt/webtrunk/${/join\('media', 'native', 'build', 'Release', '(webtrunk\.node)'\)/
        .exec(read('media/native/index.ts'))
        ?.slice(1)
        .map((name) => `media/native/build/Release/${name}`)}`,
    ])
  })

  test('builds by the commands that npm start and npm test use', () => {
    expect(textOf(build, 'RUN')).toEqual(['npm ci', 'npm run build', 'npm prune --omit=dev --ignore-scripts'])
    expect(at(packageFile, 'scripts', 'build')).toBe('node gateway/build.mjs')
    expect(existsSync(join(ROOT, 'gateway/build.mjs'))).toBe(true)
    expect(at(packageFile, 'scripts', 'install')).toBe('node media/native/build.mjs')
  })

  test('runs the daemon, not as root, stopped by SIGTERM', () => {
    const [entry = ''] = textOf(runtime, 'ENTRYPOINT')
    const command = JSON.parse(entry) as string[]
    expect(command.at(-1)).toBe(at(packageFile, 'bin', 'webtrunk'))
    expect(existsSync(join(ROOT, 'gateway/main.ts'))).toBe(true)
    expect(textOf(runtime, 'USER')).toEqual(['node'])
    expect(textOf(runtime, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  test('the health check is valid JavaScript and asks a path that the daemon serves', () => {
    const text = textOf(runtime, 'HEALTHCHECK')[0] ?? ''
    const command = JSON.parse(text.slice(text.indexOf('['))) as string[]
    expect(command.slice(0, 2)).toEqual(['node', '-e'])
    expect(() => new Function(command[2] ?? '')).not.toThrow()
    expect(command[2]).toContain("'http://127.0.0.1:8080/healthz'")
    expect(read('gateway/web/web.ts')).toContain("'/healthz'")
  })
})

describe('docker/compose.yaml', () => {
  const service = at(parse(read('docker/compose.yaml')), 'services', 'webtrunk')

  test('names the Dockerfile, host networking, no capability, a read-only root', () => {
    expect(at(service, 'build')).toEqual({ context: '..', dockerfile: 'docker/Dockerfile' })
    expect(service).toMatchObject({ network_mode: 'host', cap_drop: ['ALL'], read_only: true })
  })

  test('sets only variables that the schema has', () => {
    const names = Object.keys(at(service, 'environment') as Record<string, string>)
    const known = fieldsOf(SCHEMA).map(([, { env }]) => env)
    expect(known).toEqual(expect.arrayContaining(names))
  })

  test('gives calls longer to end than the daemon takes', () => {
    const fields = new Map(fieldsOf(SCHEMA))
    const usualS = Number(fields.get('calls.drainTimeoutS')?.default)
    const emergencyS = Number(fields.get('emergency.drainTimeoutS')?.default)
    const [, graceS] = /^(\d+)s$/.exec(String(at(service, 'stop_grace_period'))) ?? []
    // All calls, then emergency calls, then the last answers.
    expect(Number(graceS)).toBeGreaterThan(2 * usualS + emergencyS)
  })

  test('keeps its secrets out of git and out of the build context', () => {
    const ignored = read('.gitignore').split('\n')
    expect(ignored).toEqual(
      expect.arrayContaining(['docker/webtrunk.yaml', 'docker/tls/', 'docker/secrets/']),
    )
    expect(
      read('.dockerignore')
        .split('\n')
        .find((line) => !line.startsWith('#')),
    ).toBe('*')
    expect(read('.dockerignore')).not.toContain('!docker')
  })
})
