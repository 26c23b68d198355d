import type { IncomingMessage, ServerResponse } from 'node:http'

/** Answers the requests for one path. */
export type Endpoint = (request: IncomingMessage, response: ServerResponse) => void

export interface Content {
  /** As Content-Type has it. */
  readonly type: string
  readonly content: string | Buffer
}

/** For an answer that is meant for whoever asked, and is what it says it is. */
export const PRIVATE_HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const

export const jsonContent = (value: unknown): Content => ({
  type: 'application/json',
  content: `${JSON.stringify(value)}\n`,
})

/** A whole answer. To HEAD, Node leaves the content out. */
export function respond(
  response: ServerResponse,
  status: number,
  { type, content }: Content,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': bytes.length })
  response.end(bytes)
}
