import { timingSafeEqual } from 'node:crypto'
import * as http from 'node:http'
import type { MetricsConfig } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import { closeNow, listenAt } from '../web/listening.ts'
import { PRIVATE_HEADERS, respond } from '../web/respond.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsServer {
  readonly port: number
  /** Cuts whoever still reads. May be called twice. */
  close(): Promise<void>
}

const MAX_CONNECTIONS = 16
const REQUEST_MS = 10_000
const IDLE_MS = 20_000

/**
 * `GET /metrics` on a listener of its own, for clients with the token, where there is one. Rejects when the address is taken.
 * `idleMs`: how long a connection on which nothing moves is kept.
 */
export async function openMetrics(
  { host, port, token }: MetricsConfig,
  metrics: Pick<Metrics, 'contentType' | 'text'>,
  log: Log,
  idleMs = IDLE_MS,
): Promise<MetricsServer> {
  const wanted = token === undefined ? undefined : Buffer.from(`Bearer ${token.reveal()}`)
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const [path] = (request.url ?? '').split('?', 1)
    if (path !== '/metrics' || request.method !== 'GET') end(response, 404)
    else if (wanted !== undefined && !isSame(request.headers.authorization, wanted)) end(response, 401)
    else end(response, 200, metrics.contentType, await metrics.text())
  }
  const server = http.createServer(
    { maxHeaderSize: 8_192, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS },
    (request, response) => {
      answer(request, response).catch((error: unknown) => {
        log.error('internal error', { error, path: '/metrics' })
        response.destroy()
      })
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  // For a client that does not read the answer.
  server.setTimeout(idleMs)
  const { port: bound } = await listenAt(server, { host, port })
  return { port: bound, close: () => closeNow(server) }
}

function isSame(given: string | undefined, wanted: Buffer): boolean {
  const bytes = Buffer.from(given ?? '')
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
}

function end(response: http.ServerResponse, status: number, type = 'text/plain', content = ''): void {
  respond(
    response,
    status,
    { type, content },
    {
      ...PRIVATE_HEADERS,
      ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
      Connection: 'close',
    },
  )
}
