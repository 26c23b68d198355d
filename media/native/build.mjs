/**
 * Builds the addon; `npm ci` runs it as the install script, and it may be run by hand. Does nothing when the stamp of
 * the last build still fits. Plain JavaScript, because nothing is compiled yet when it runs.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const addon = join(folder, 'build', 'Release', 'webtrunk.node')
const stampFile = join(folder, 'build', 'webtrunk.stamp')
const isOpensslShared = String(process.config.variables.node_shared_openssl) === 'true'

function fail(lines) {
  for (const line of lines) console.error(`webtrunk addon: ${line}`)
  process.exit(1)
}

/** Two hashes: of what the objects were compiled against, and of what they were compiled from. */
function stamp() {
  const { modules, openssl } = process.versions
  const target = `${modules} ${openssl} ${process.arch} ${isOpensslShared}`
  const sources = createHash('sha256')
  const files = readdirSync(join(folder, 'src'))
    .sort()
    .map((name) => join('src', name))
  for (const name of ['binding.gyp', 'build.mjs', ...files])
    sources.update(`${name}\0`).update(readFileSync(join(folder, name)))
  return { target, sources: sources.digest('hex') }
}

function previousStamp() {
  if (!existsSync(addon) || !existsSync(stampFile)) return undefined
  const [target, sources] = readFileSync(stampFile, 'utf8').trimEnd().split('\n')
  return { target, sources }
}

function isOnPath(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.some((name) => folders.some((path) => existsSync(join(path, name))))
}

/** Debian packages to install, by what is not there. */
function missingPackages() {
  const missing = []
  if (!isOnPath('python3', 'python')) missing.push('python3')
  if (!isOnPath('make')) missing.push('make')
  if (!process.env.CXX && !isOnPath('g++', 'c++', 'clang++')) missing.push('g++')
  if (isOpensslShared && !existsSync('/usr/include/openssl/ssl.h')) missing.push('libssl-dev')
  return missing
}

/** The headers installed beside this Node, if they are of this very version; otherwise node-gyp downloads them. */
function headerArguments() {
  const prefix = resolve(dirname(realpathSync(process.execPath)), '..')
  const header = join(prefix, 'include', 'node', 'node_version.h')
  if (!existsSync(header)) return []
  const text = readFileSync(header, 'utf8')
  const [major, minor] = ['MAJOR', 'MINOR'].map(
    (part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1],
  )
  return process.version.startsWith(`v${major}.${minor}.`) ? [`--nodedir=${prefix}`] : []
}

/** npm names its own node-gyp in the environment; by hand it is found beside the npm on the PATH. */
function findNodeGyp() {
  const named = process.env.npm_config_node_gyp
  if (named && existsSync(named)) return named
  const npm = (process.env.PATH ?? '')
    .split(delimiter)
    .map((path) => join(path, 'npm'))
    .find((path) => existsSync(path))
  if (npm === undefined) return undefined
  try {
    return createRequire(realpathSync(npm)).resolve('node-gyp/bin/node-gyp.js')
  } catch {
    return undefined
  }
}

function build() {
  const wanted = stamp()
  const previous = previousStamp()
  if (previous?.target === wanted.target && previous.sources === wanted.sources) return

  if (process.platform !== 'linux') fail(['it needs Linux (epoll, recvmmsg)'])
  const missing = missingPackages()
  if (missing.length > 0)
    fail([`missing to build it: ${missing.join(', ')}`, `apt-get install -y ${missing.join(' ')}`])
  const nodeGyp = findNodeGyp()
  if (nodeGyp === undefined) fail(['node-gyp not found: it comes with npm, and no npm is on the PATH'])

  // Objects compiled for another Node must not be linked with new ones.
  const steps = previous?.target === wanted.target ? ['configure', 'build'] : ['rebuild']
  for (const step of steps) {
    const options = ['--release', '--jobs=max', '--loglevel=warn', ...headerArguments()]
    const { status } = spawnSync(process.execPath, [nodeGyp, step, ...options], {
      cwd: folder,
      stdio: 'inherit',
    })
    if (status !== 0) fail([`node-gyp ${step} failed, see above`])
  }
  mkdirSync(dirname(stampFile), { recursive: true })
  writeFileSync(stampFile, `${wanted.target}\n${wanted.sources}\n`)
}

build()
