/**
 * Builds the load generator with the addon's SRTP and DTLS (not its packet path) into dist/bench. Does nothing when the stamp of the
 * last build still fits. Plain JavaScript: `run.mjs` calls it before anything is bundled.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const ROOT = join(HERE, '..', '..', '..')
const ADDON = join(ROOT, 'media', 'native', 'src')
const OUTPUT = join(ROOT, 'dist', 'bench')
const LOAD_PROGRAM = join(OUTPUT, 'load')
const STAMP = join(OUTPUT, 'load.stamp')
const SHARED = [
  'certificate',
  'dtls',
  'replay',
  'rtp',
  'srtp',
  'srtp_cipher',
  'srtp_hmac',
  'srtp_key_derivation',
  'srtp_suite',
]
const FLAGS = ['-std=c++17', '-O2', '-Wall', '-Wextra', '-Werror', `-I${ADDON}`, `-I${HERE}`]

/** @returns {string} the path of the program. Throws an Error that says what is missing. */
export function buildLoadGenerator() {
  const inFolder = (folder, pattern) =>
    readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(folder, name))
  const sources = [...inFolder(HERE, /\.cc$/), ...SHARED.map((name) => join(ADDON, `${name}.cc`))]
  const hash = createHash('sha256').update(FLAGS.join(' '))
  for (const file of [...sources, ...inFolder(HERE, /\.h$/), ...inFolder(ADDON, /\.h$/)]) {
    hash.update(file).update(readFileSync(file))
  }
  const wanted = hash.digest('hex')
  if (existsSync(LOAD_PROGRAM) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted)
    return LOAD_PROGRAM
  const check = spawnSync('g++', ['-E', '-x', 'c++', '-'], { input: '#include <openssl/ssl.h>\n' })
  if (check.status !== 0) throw new Error('the load generator needs: apt-get install g++ libssl-dev')
  mkdirSync(OUTPUT, { recursive: true })
  const { status } = spawnSync('g++', [...FLAGS, ...sources, '-o', LOAD_PROGRAM, '-lssl', '-lcrypto'], {
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the load generator could not be compiled, see above')
  writeFileSync(STAMP, wanted)
  return LOAD_PROGRAM
}
