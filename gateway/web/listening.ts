import { chmod, lstat, unlink } from 'node:fs/promises'
import type * as http from 'node:http'
import type * as https from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** Keeps `::` from taking IPv4 too. */
  readonly ipv6Only?: boolean
}

export async function listenAt(server: Server, at: ListenAddress): Promise<AddressInfo> {
  await listen(server, () => server.listen({ ...at }))
  return server.address() as AddressInfo
}

/**
 * A socket file that a crash has left is replaced; one that somebody listens on, and any other file, is an error. `mode`: who
 * may connect, from the first moment on.
 */
export async function listenAtPath(server: Server, path: string, mode: number): Promise<void> {
  if (await isLeftOver(path)) await unlink(path)
  await listen(server, () => {
    // Node binds within this call, so the file is never there with more rights.
    const usual = process.umask(0o777 & ~mode)
    try {
      server.listen(path)
    } finally {
      process.umask(usual)
    }
  })
  await chmod(path, mode)
}

/** Stops listening and cuts all connections but upgraded ones; resolves when all are gone. */
export function closeNow(server: http.Server | https.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function listen(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    start()
  })
}

async function isLeftOver(path: string): Promise<boolean> {
  // Nothing there, or nothing we may see: then it is not ours to remove, and listening says what is wrong.
  const file = await lstat(path).catch(() => undefined)
  if (file?.isSocket() !== true) return false
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
}
