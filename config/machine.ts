import { randomBytes } from 'node:crypto'
import { accessSync, constants, readFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'

/** What loading needs to know of the machine; tests give their own. */
export interface Machine {
  /** Throws as `readFileSync` does. */
  readText(path: string): string
  /** Whether this folder is there and we may make files in it. */
  isWritable(folder: string): boolean
  /** For what need not outlive the process. */
  readonly temporaryFolder: string
  /** Own addresses of both families, link-local ones left out; `isInternal` for loopback. */
  addresses(): readonly { readonly address: string; readonly isInternal: boolean }[]
  randomBytes(length: number): Uint8Array
  /** Standard output is a terminal. */
  readonly isTerminal: boolean
}

/** Of no use in a description: those of IPv6 (fe80::/10) need a zone, which SDP cannot carry. */
export const isLinkLocal = (address: string): boolean => /^(?:169\.254\.|fe[89ab][0-9a-f]:)/i.test(address)

export const THIS_MACHINE: Machine = {
  readText: (path) => readFileSync(path, 'utf8'),
  isWritable: (folder) => {
    try {
      accessSync(folder, constants.W_OK | constants.X_OK)
      return true
    } catch {
      return false
    }
  },
  temporaryFolder: tmpdir(),
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ address }) => !isLinkLocal(address))
      .map(({ address, internal }) => ({ address, isInternal: internal })),
  randomBytes,
  isTerminal: process.stdout.isTTY === true,
}
