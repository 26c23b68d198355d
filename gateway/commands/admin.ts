import * as http from 'node:http'
import type { Log } from '../../config/logging.ts'
import { closeNow, listenAtPath } from '../web/listening.ts'
import { jsonContent, respond } from '../web/respond.ts'

/**
 * Answers one question: a value that JSON can hold, a `PlainText`, or a promise of either. Throws `AdminRefusal` for what the
 * asker got wrong; anything else thrown is our own mistake.
 */
export type AdminHandler = (query: URLSearchParams) => unknown

/** An answer that is no JSON. */
export class PlainText {
  readonly type: string
  readonly text: string

  constructor(type: string, text: string) {
    this.type = type
    this.text = text
  }
}

/** There is no such thing: what the asker is told with a 404. */
export class AdminRefusal extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AdminRefusal'
  }
}

/** Whoever may open the socket is the operator; still, a script gone wild must cost the calls nothing. */
export const ADMIN_LIMITS = {
  connections: 16,
  headerBytes: 8_192,
  requestMs: 10_000,
  idleMs: 20_000,
} as const

/** Read and write for the owner: the daemon's own user, and root. */
const SOCKET_MODE = 0o600

/**
 * The daemon's side of the command line: questions by name over HTTP on a Unix socket (`GET /calls?x=y`). Parts of the
 * daemon put their answers in with `handle`; asking changes nothing.
 */
export class Admin {
  readonly #log: Log
  readonly #idleMs: number
  readonly #handlers = new Map<string, AdminHandler>()
  #server: http.Server | undefined

  /** `idleMs`: how long a connection on which nothing moves is kept. */
  constructor(log: Log, idleMs: number = ADMIN_LIMITS.idleMs) {
    this.#log = log
    this.#idleMs = idleMs
  }

  /** `name` becomes the path `/name`; each once. */
  handle(name: string, handler: AdminHandler): void {
    if (this.#handlers.has(name)) throw new Error(`two answers to ${name}`)
    this.#handlers.set(name, handler)
  }

  /** Rejects when the path cannot be bound, or another daemon listens there. */
  async listen(path: string): Promise<void> {
    const server = http.createServer(
      {
        maxHeaderSize: ADMIN_LIMITS.headerBytes,
        headersTimeout: ADMIN_LIMITS.requestMs,
        requestTimeout: ADMIN_LIMITS.requestMs,
        connectionsCheckingInterval: ADMIN_LIMITS.requestMs / 2,
      },
      (request, response) => void this.#answer(request, response),
    )
    server.maxConnections = ADMIN_LIMITS.connections
    server.maxHeadersCount = 32
    // For a client that does not read the answer.
    server.setTimeout(this.#idleMs)
    await listenAtPath(server, path, SOCKET_MODE)
    this.#server = server
  }

  /** Cuts whoever still asks. May be called twice. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await closeNow(server)
  }

  /** Never rejects. */
  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    try {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://admin')
      const handler = this.#handlers.get(pathname.slice(1))
      if (request.method !== 'GET') refuse(response, 405, 'questions are asked by GET')
      else if (handler === undefined)
        refuse(response, 404, `this daemon knows no ${JSON.stringify(pathname.slice(1))}`)
      else send(response, 200, await handler(searchParams))
    } catch (error) {
      if (error instanceof AdminRefusal) {
        refuse(response, 404, error.message)
        return
      }
      this.#log.error('internal error', { error, at: 'admin socket' })
      refuse(response, 500, 'internal error; the log says more')
    }
  }
}

const refuse = (response: http.ServerResponse, status: number, error: string): void =>
  send(response, status, { error })

/** One question a connection: a request body, which no question has, is then never read. */
function send(response: http.ServerResponse, status: number, answer: unknown): void {
  const content =
    answer instanceof PlainText ? { type: answer.type, content: answer.text } : jsonContent(answer ?? null)
  respond(response, status, content, { Connection: 'close' })
}
