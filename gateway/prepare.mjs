/**
 * What a fresh clone needs before anything of ours can run: Node, Debian packages, modules, a build. For `npm start` and
 * `npm test`. Plain JavaScript without dependencies, because nothing is installed or compiled when it runs.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const OLDEST_NODE = 20
const STAMP = join(ROOT, 'dist', 'built')
const SOURCES = [
  'gateway',
  'sip',
  'sdp',
  'media',
  'config',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
]

/**
 * Debian packages by what shows that they are there: any of the commands on the PATH, or a look of their own.
 * @typedef {{ name: string, commands?: string[], isThere?: () => boolean }} Package
 * @type {Package[]}
 */
export const BUILD_PACKAGES = [
  { name: 'python3', commands: ['python3'] },
  { name: 'make', commands: ['make'] },
  { name: 'g++', commands: ['g++', 'c++', 'clang++'] },
]

export function requireNode() {
  const [major] = process.versions.node.split('.').map(Number)
  if (major >= OLDEST_NODE) return
  console.error(`webtrunk needs Node.js ${OLDEST_NODE} or newer, this is ${process.versions.node}`)
  process.exit(1)
}

/** The names of those that are not there. @param {Package[]} packages */
export function missingPackages(packages) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const isOnPath = (command) => folders.some((folder) => existsSync(join(folder, command)))
  return packages
    .filter(({ commands = [], isThere = () => false }) => !commands.some(isOnPath) && !isThere())
    .map(({ name }) => name)
}

/** Installs what is missing when it may (root, apt), else prints the line to type and ends. @param {Package[]} packages */
export async function requirePackages(packages) {
  const names = missingPackages(packages)
  if (names.length === 0) return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...names]
  if (process.getuid?.() !== 0 || missingPackages([{ name: 'apt', commands: ['apt-get'] }]).length > 0) {
    console.error(
      `webtrunk needs these Debian packages: ${names.join(' ')}\nType:  sudo ${install.join(' ')}`,
    )
    process.exit(1)
  }
  console.log(`installing Debian packages: ${names.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update'], { env })
  await run('apt-get', install.slice(1), { env })
}

/** `npm ci`, when the modules are not there or older than the lock file. It builds the addon too. */
export async function requireModules() {
  // npm writes this file last, so it also tells a finished installation from a broken off one.
  const installed = join(ROOT, 'node_modules', '.package-lock.json')
  if (modifiedMs(installed) >= modifiedMs(join(ROOT, 'package-lock.json'))) return
  console.log('installing modules (npm ci)')
  const npm = process.env.npm_execpath
  const args = ['ci', '--include=dev']
  await (npm === undefined ? run('npm', args) : run(process.execPath, [npm, ...args]))
}

/** Builds when a source is newer than the build; the addon also when it was made for another Node, which no time of a file tells. */
export async function requireBuild() {
  if (newestMs(SOURCES.map((name) => join(ROOT, name))) > modifiedMs(STAMP)) await build()
  else await run(process.execPath, ['media/native/build.mjs'])
}

/** TypeScript and the softphone page into dist/, the addon in its place (at once when it is up to date). */
export async function build() {
  console.log('building')
  const started = new Date()
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
  await run(process.execPath, ['media/native/build.mjs'])
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
  await run(process.execPath, ['gateway/pages/build.mjs'])
  writeFileSync(STAMP, '')
  // What changed while we built is newer than this.
  utimesSync(STAMP, started, started)
}

/** Runs to its end; anything but success ends us too, and so does a signal, which is passed on. */
export async function run(command, args, options = {}) {
  const status = await statusOf(command, args, options)
  if (status === 0) return
  console.error(`${[command, ...args].join(' ')} failed (${status})`)
  process.exit(status)
}

/** The exit status, 128 + number for a signal as in a shell. */
export function statusOf(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options })
    const pass = (signal) => {
      child.once('exit', () => process.exit(128 + constants.signals[signal]))
      child.kill(signal)
    }
    process.on('SIGTERM', pass).on('SIGINT', pass)
    const finish = (status) => {
      process.off('SIGTERM', pass).off('SIGINT', pass)
      resolve(status)
    }
    child.once('error', (error) => {
      console.error(error.message)
      finish(127)
    })
    child.once('exit', (code, signal) => finish(code ?? 128 + constants.signals[signal]))
  })
}

const modifiedMs = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0)

/** Folders count as well: their time changes when a file goes. */
function newestMs(paths) {
  return paths.reduce((newest, path) => {
    if (!existsSync(path)) return newest
    const inner = statSync(path).isDirectory() ? sourcesIn(path) : []
    return Math.max(newest, modifiedMs(path), newestMs(inner))
  }, 0)
}

/** The addon's own build folder is no source, and media/native/build.mjs looks after it. */
const sourcesIn = (folder) =>
  readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path !== join(ROOT, 'media', 'native', 'build'))
