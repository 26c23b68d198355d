import { posix } from 'node:path'

/** One import, export-from or `import()` of a file. */
export interface Import {
  readonly specifier: string
  /** `import type ... from`: nothing of it is left at run time. */
  readonly isType: boolean
}

/** Source text by path, the path from the root of the repository with slashes. */
export type Sources = Readonly<Record<string, string>>

const STATIC =
  /^[ \t]*(?:import|export)\s+(?:(type)\s+(?=[{*\w]))?(?:[\w$*\s{},]+?\s*from\s*)?['"]([^'"\n]+)['"]/gm
const DYNAMIC = /\b(?:import|require)\s*\(\s*['"`]([^'"`\n]+)['"`]/g

/** What a file imports. Comments are left out; a line in a string that looks like an import is taken for one. */
export function importsOf(text: string): readonly Import[] {
  const code = text.replace(/\/\*.*?\*\//gs, '').replace(/^\s*\/\/.*$/gm, '')
  const found = [...code.matchAll(STATIC)].map(([, type, specifier = '']) => ({
    specifier,
    isType: type !== undefined,
  }))
  const dynamic = [...code.matchAll(DYNAMIC)].map(([, specifier = '']) => ({ specifier, isType: false }))
  return [...found, ...dynamic]
}

/** Which layers a layer may import from, beside itself: `value` anything, `type` only by `import type`. */
const LAYERS: Readonly<Record<string, Readonly<Record<string, 'value' | 'type'>>>> = {
  gateway: { sip: 'value', sdp: 'value', media: 'value', config: 'value' },
  sip: { config: 'type' },
  sdp: {},
  media: { config: 'type' },
  config: {},
}

/** Single files of other layers that may be imported. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  // Types and the lists they come from.
  sdp: ['media/parameters.ts'],
}

const MESSAGES = ['message', 'authentication', 'routing', 'transaction']

/** Which folders of its own layer a folder may import from, beside itself. Files of the layer's own folder import from any. */
const FOLDERS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  sip: {
    message: [],
    authentication: ['message'],
    routing: ['message'],
    transaction: ['message', 'authentication'],
    dialog: MESSAGES,
    invite: [...MESSAGES, 'dialog'],
    subscription: [...MESSAGES, 'dialog'],
    registration: ['message'],
    transport: ['message'],
  },
  media: {
    native: [],
    ice: [],
    dtls: ['native', 'ice'],
    rtcp: ['native'],
    ports: ['native'],
    relay: ['native', 'ice', 'ports'],
    leg: ['native', 'ice', 'dtls', 'rtcp', 'ports', 'relay'],
  },
}

/** Files of a layer's own folder that its folders may import: the words that all of them share. */
const SHARED: Readonly<Record<string, 'value' | 'type'>> = {
  'sip/failure.ts': 'value',
  'sip/flow.ts': 'value',
  'sip/named-flow.ts': 'value',
  'sip/party-rates.ts': 'value',
  'sip/token-bucket.ts': 'value',
  'sip/user-agent-contract.ts': 'type',
  'media/address.ts': 'value',
  'media/clock.ts': 'value',
  'media/deadline-timer.ts': 'value',
  'media/engine.ts': 'value',
  'media/failure.ts': 'value',
  'media/key-bytes.ts': 'value',
  'media/leg-host.ts': 'type',
  'media/machine.ts': 'type',
  'media/parameters.ts': 'value',
  'media/receive-buffer.ts': 'value',
  'media/system-failure.ts': 'value',
}

/** Where each package may be imported, as path prefixes. What is not listed may not be imported at all. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'sdp-transform': ['sdp/parse.ts', 'sdp/format.ts'],
  ws: ['sip/transport/wss.ts', 'gateway/selftest/selftest-connection.ts'],
  convict: ['config/'],
  yaml: ['config/'],
  winston: ['config/'],
  jose: ['gateway/registration/jwt.ts'],
  'sip.js': ['gateway/pages/', 'gateway/selftest/selftest-client.ts'],
  werift: ['gateway/selftest/selftest-audio.ts'],
  'prom-client': ['gateway/ladder/metrics.ts'],
}

const PAGES = 'gateway/pages/'
const CODES_FILE = 'gateway/diagnosis.ts'

const layerOf = (path: string): string => path.split('/', 1)[0] ?? ''
const folderOf = (path: string): string | undefined => path.split('/').slice(1, -1)[0]
const isRelative = (specifier: string): boolean => specifier.startsWith('.')
const resolveFrom = (path: string, specifier: string): string => posix.join(posix.dirname(path), specifier)
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** Every import that the layers forbid, and every circle of files. Empty when all is well. */
export function brokenRules(sources: Sources): readonly string[] {
  const arrows = Object.entries(sources).flatMap(([path, text]) =>
    importsOf(text).flatMap((imported) => {
      const problem = isRelative(imported.specifier)
        ? wrongArrow(path, resolveFrom(path, imported.specifier), imported.isType)
        : wrongPackage(path, imported.specifier)
      return problem === undefined ? [] : [`${path} imports ${imported.specifier}: ${problem}`]
    }),
  )
  return [...arrows, ...circles(sources)]
}

/** The files that are loaded with one, itself among them; types are not. */
export function loadedBy(path: string, sources: Sources): readonly string[] {
  const loaded = new Set<string>()
  const visit = (at: string): void => {
    if (loaded.has(at) || sources[at] === undefined) return
    loaded.add(at)
    for (const { specifier, isType } of importsOf(sources[at])) {
      if (isRelative(specifier) && !isType) visit(resolveFrom(at, specifier))
    }
  }
  visit(path)
  return [...loaded]
}

function wrongArrow(from: string, to: string, isType: boolean): string | undefined {
  const layer = layerOf(from)
  const target = layerOf(to)
  const isPage = from.startsWith(PAGES)
  // The page runs in a browser; what it shares with the daemon is the table of codes.
  if (isPage !== to.startsWith(PAGES) && !(isPage && to === CODES_FILE)) return 'the page stands alone'
  if (layer === target) return wrongFolder(from, to, isType)
  if (FILES[layer]?.includes(to)) return undefined
  const allowed = LAYERS[layer]?.[target]
  if (allowed === undefined) return `${layer} may not import from ${target}`
  return allowed === 'type' && !isType ? `${layer} may import only types from ${target}` : undefined
}

function wrongFolder(from: string, to: string, isType: boolean): string | undefined {
  const layer = layerOf(from)
  const folders = FOLDERS[layer]
  const folder = folderOf(from)
  const target = folderOf(to)
  if (folders === undefined || folder === undefined || folder === target) return undefined
  const place = `${layer}/${folder}`
  if (target === undefined) {
    const shared = SHARED[to]
    if (shared === undefined) return `${place} may not import from ${layer} itself`
    return shared === 'type' && !isType ? `${place} may import only types from there` : undefined
  }
  return folders[folder]?.includes(target) ? undefined : `${place} may not import from ${layer}/${target}`
}

function wrongPackage(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) {
    return from.startsWith('gateway/pages/') ? 'the page runs in browsers' : undefined
  }
  const places = PACKAGES[packageOf(specifier)]
  if (places === undefined) return 'no file of ours may import it'
  return places.some((place) => from.startsWith(place))
    ? undefined
    : `only ${places.join(', ')} may import it`
}

/** Each file from which imports lead back to itself, with the way. */
function circles(sources: Sources): readonly string[] {
  const next = new Map(
    Object.entries(sources).map(([path, text]) => [
      path,
      importsOf(text)
        .filter(({ specifier }) => isRelative(specifier))
        .map(({ specifier }) => resolveFrom(path, specifier)),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path)
    if (start >= 0) found.push(`circle: ${[...way.slice(start), path].join(' -> ')}`)
    if (start >= 0 || done.has(path)) return
    for (const target of next.get(path) ?? []) visit(target, [...way, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found
}
