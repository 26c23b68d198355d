import type { Config } from '../config/config.ts'
import { MediaFailure } from '../media/failure.ts'
import { expandHost } from './addresses.ts'
import { bindTrouble, configuredSockets } from './configured-sockets.ts'
import { CODES, isFailure } from './diagnosis.ts'

/** Why the daemon could not start, for the person at the terminal. Undefined for what nobody foresaw: a stack says more of that. */
export function startFailureText(error: unknown, config: Config): string | undefined {
  const refused = refusedSocket(error)
  if (refused !== undefined) {
    const socket = configuredSockets(config, expandHost).find(
      ({ kind, addresses, port }) =>
        kind === refused.kind && port === refused.port && addresses.includes(refused.address),
    )
    if (socket !== undefined) return `${socket.what}: ${bindTrouble(socket, refused, refused.code)}`
  }
  if (isFailure(error)) {
    const { cause, remedy } = CODES[error.code]
    return `${error.code}: ${error.message}\n  cause  ${cause}\n  do     ${remedy}`
  }
  // What the system says is what has to change: a socket file, a folder that is not ours.
  return isSystemError(error) ? error.message : undefined
}

interface RefusedSocket {
  readonly kind: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
  readonly code: string
}

function refusedSocket(error: unknown): RefusedSocket | undefined {
  // The media plane binds nothing but the browser ports at start.
  if (error instanceof MediaFailure && error.code === 'media.no-port') {
    const [, address, port] = /^\[?(.*?)\]?:(\d+)$/.exec(error.expected ?? '') ?? []
    return address === undefined
      ? undefined
      : { kind: 'udp', address, port: Number(port), code: error.seen ?? '' }
  }
  if (!isSystemError(error)) return undefined
  const { syscall, address, port, code } = error
  if (typeof address !== 'string' || typeof port !== 'number' || code === undefined) return undefined
  return { kind: syscall === 'listen' ? 'tcp' : 'udp', address, port, code }
}

const isSystemError = (
  error: unknown,
): error is NodeJS.ErrnoException & { readonly address?: unknown; readonly port?: unknown } =>
  error instanceof Error && 'syscall' in error
