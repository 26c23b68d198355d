import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NativeAddon } from './boundary.ts'

const ADDON_PATH = join('media', 'native', 'build', 'Release', 'webtrunk.node')

/**
 * The addon, loaded once. Throws at import with a plain message when it was not built, or when it was built against
 * another OpenSSL than the one this Node runs on: then every call into it would be a gamble.
 */
export const native: NativeAddon = load()

function load(): NativeAddon {
  const path = findAddon(dirname(fileURLToPath(import.meta.url)))
  const addon = createRequire(import.meta.url)(path) as NativeAddon
  const mismatch = opensslMismatch(addon.openssl)
  if (mismatch !== undefined) throw new Error(mismatch)
  return addon
}

/** Looks upward, because this file runs both in place and from `dist/`. */
function findAddon(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, ADDON_PATH)
    if (existsSync(path)) return path
    if (folder === dirname(folder))
      throw new Error(`the addon is not built: no ${ADDON_PATH} above ${from}; run npm ci, or npm rebuild`)
  }
}

/** Major and minor version must agree (`0xMNN00PP0L`: OpenSSL keeps its ABI within a minor version). */
export function opensslMismatch(openssl: NativeAddon['openssl']): string | undefined {
  const built = version(openssl.built)
  const running = version(openssl.running)
  if (built === running) return undefined
  return `the addon was built for OpenSSL ${built} and this Node runs on ${running}; run npm rebuild`
}

function version(number: number): string {
  return `${number >>> 28}.${(number >>> 20) & 0xff}`
}
