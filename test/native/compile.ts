import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { once } from './once.ts'

const HERE = import.meta.dirname
const SOURCES = resolve(HERE, '../../media/native/src')
const OUTPUT = resolve(HERE, '../../media/native/build/test')

/** The part of the addon that needs neither Node nor a socket. */
const PURE_SOURCES = [
  'certificate',
  'crossing',
  'demux',
  'dtls',
  'gathering',
  'latch',
  'load_meter',
  'player',
  'queue',
  'receive_statistics',
  'relay_socket',
  'relay_table',
  'repacketiser',
  'replay',
  'rewrite',
  'rtp',
  'srtp',
  'srtp_cipher',
  'srtp_hmac',
  'srtp_key_derivation',
  'srtp_suite',
  'stray_limiter',
  'telephone_event',
].map((name) => join(SOURCES, `${name}.cc`))

/** The relay thread: sockets, but no Node. */
const RELAY_SOURCES = [
  'mailbox',
  'relay_commands',
  'relay_crossing',
  'relay_due',
  'relay_events',
  'relay_fetch',
  'relay_intake',
  'relay_io',
  'relay_loop',
  'relay_path',
  'socket_ring',
  'thread_priority',
].map((name) => join(SOURCES, `${name}.cc`))

// Of debug information what a sanitizer's report needs: `-g` takes a quarter longer.
const FLAGS = ['-std=c++17', '-O1', '-g1', '-Wall', '-Wextra', '-Werror', `-I${SOURCES}`, `-I${HERE}`]
const SANITIZERS = ['-fno-sanitize-recover=all', '-fno-omit-frame-pointer']
const PARALLEL = 2

export interface Program {
  readonly name: string
  /** Absolute, or relative to this folder. */
  readonly sources: readonly string[]
  /** libFuzzer brings its `main`. */
  readonly isFuzzer: boolean
  /** Built by g++ with the relay and ThreadSanitizer, which does not go together with the others. */
  readonly isThreaded?: boolean
  /** Built by g++ with neither the addon's sources nor sanitizers. */
  readonly isAlone?: boolean
  /** Of Debian, beside OpenSSL. */
  readonly library?: Library
}

interface Library {
  readonly package: string
  readonly headers: string
  /** As the linker has it. */
  readonly name: string
}

function commandsLike(pattern: RegExp): string[] {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => existsSync(folder))
  return folders.flatMap((folder) => readdirSync(folder).filter((name) => pattern.test(name)))
}

/** Throws with the line to type when something is missing: such a test must not pass unrun. */
function compilerFor(program: Program): string {
  const isGnu = program.isThreaded === true || program.isAlone === true
  const found = commandsLike(isGnu ? /^g\+\+$/ : /^clang\+\+(-\d+)?$/).sort()[0]
  const packages = isGnu ? 'g++' : 'clang libclang-rt-dev'
  if (found === undefined) throw new Error(`no compiler for native tests: apt-get install ${packages}`)
  const check = spawnSync(found, ['-E', '-x', 'c++', '-'], { input: '#include <openssl/ssl.h>\n' })
  if (check.status !== 0) throw new Error('no OpenSSL headers for native tests: apt-get install libssl-dev')
  const { library } = program
  if (library !== undefined && !existsSync(library.headers))
    throw new Error(`no headers in ${library.headers}: apt-get install ${library.package}`)
  return found
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.on('error', failed)
    child.on('close', (status) => {
      if (status === 0) done()
      else failed(new Error(`${command} ${args.join(' ')}\n${errors}`))
    })
  })
}

/** Test files run in parallel and want the same objects: the first makes one, the others wait for it. */
async function make(output: string, command: string, args: readonly string[]): Promise<void> {
  await once(output, async () => {
    const unfinished = `${output}.${randomUUID()}`
    await run(command, [...args, '-o', unfinished])
    renameSync(unfinished, output)
  })
}

function headersHash(): string {
  const hash = createHash('sha256')
  for (const folder of [SOURCES, HERE]) {
    const headers = readdirSync(folder).filter((name) => name.endsWith('.h'))
    for (const name of headers.sort()) hash.update(name).update(readFileSync(join(folder, name)))
  }
  return hash.digest('hex')
}

function shortHash(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex').slice(0, 16)
}

/** Of objects, so that fuzzers and all other programs share those of the addon; of the link. */
function sanitizersFor(program: Program): { readonly object: string; readonly link: string } {
  if (program.isThreaded === true) return { object: 'thread', link: 'thread' }
  const object = 'fuzzer-no-link,address,undefined'
  return { object, link: program.isFuzzer ? 'fuzzer,address,undefined' : object }
}

/**
 * Compiles a test program with AddressSanitizer and UBSan, links it with the addon's pure sources, and gives its path. What
 * has not changed is not compiled again.
 */
export async function compile(program: Program): Promise<string> {
  const compiler = compilerFor(program)
  const kinds = sanitizersFor(program)
  const flagsWith = (kind: string): readonly string[] =>
    program.isAlone === true
      ? [...FLAGS, ...(program.library === undefined ? [] : ['-isystem', program.library.headers])]
      : [...FLAGS, ...SANITIZERS, `-fsanitize=${kind}`]
  const flags = flagsWith(kinds.object)
  const headers = headersHash()
  mkdirSync(OUTPUT, { recursive: true })

  const relay = program.isThreaded === true ? RELAY_SOURCES : []
  const others = program.isAlone === true ? [] : [...PURE_SOURCES, ...relay]
  const sources = [...program.sources.map((source) => resolve(HERE, source)), ...others]
  const objects = sources.map((source) => ({
    source,
    object: join(
      OUTPUT,
      `${basename(source, '.cc')}-${shortHash(compiler, ...flags, headers, readFileSync(source))}.o`,
    ),
  }))
  const waiting = [...objects]
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await make(next.object, compiler, [...flags, '-c', next.source])
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))

  const inputs = objects.map(({ object }) => object)
  const executable = join(OUTPUT, `${program.name}-${shortHash(...inputs)}`)
  const libraries = [...(program.library === undefined ? [] : [program.library.name]), 'ssl', 'crypto']
  const links = libraries.map((name) => `-l${name}`)
  await make(executable, compiler, [...flagsWith(kinds.link), ...inputs, ...links])
  return executable
}

export const UNIT_TEST: Program = {
  name: 'unit-test',
  sources: [
    'main.cc',
    'openssl_memory.cc',
    ...[
      'crossing',
      'demux',
      'dtls',
      'gathering',
      'latch',
      'leg_memory',
      'load_meter',
      'patience',
      'receive_statistics',
      'relay_intake',
      'relay_parts',
      'repacketiser',
      'replay',
      'rewrite',
      'rtp',
      'srtp',
      'telephone_event',
    ].map((name) => `${name}_test.cc`),
    // Its test brings a ring of its own.
    join(SOURCES, 'relay_intake.cc'),
  ],
  isFuzzer: false,
}

export const WITHOUT_IO_URING: Program = {
  name: 'without-io-uring',
  sources: ['without_io_uring.cc'],
  isFuzzer: false,
  isAlone: true,
}

export const SOFIA_PEER: Program = {
  name: 'sofia-peer',
  sources: ['sofia_peer.cc'],
  isFuzzer: false,
  isAlone: true,
  library: {
    package: 'libsofia-sip-ua-dev',
    headers: '/usr/include/sofia-sip-1.12',
    name: 'sofia-sip-ua',
  },
}

export const SRTP_TOOL: Program = { name: 'srtp-tool', sources: ['srtp_tool.cc'], isFuzzer: false }

export const RELAY_THREADS: Program = {
  name: 'relay-threads',
  sources: ['relay_threads.cc'],
  isFuzzer: false,
  isThreaded: true,
}

export const RELAY_OVERLOAD: Program = {
  name: 'relay-overload',
  sources: ['relay_overload.cc'],
  isFuzzer: false,
  isThreaded: true,
}

export const RELAY_CROSSINGS: Program = {
  name: 'relay-crossings',
  sources: ['relay_crossings.cc'],
  isFuzzer: false,
  isThreaded: true,
}
