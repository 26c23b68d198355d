import { existsSync } from 'node:fs'
import * as http from 'node:http'
import { dirname } from 'node:path'
import { EX_UNAVAILABLE } from './exit-status.ts'

/** Why there is no answer, in words for the person at the terminal; `exitStatus` for scripts. */
export class NoAnswerFromDaemon extends Error {
  readonly exitStatus: number

  constructor(message: string, exitStatus: number) {
    super(message)
    this.name = 'NoAnswerFromDaemon'
    this.exitStatus = exitStatus
  }
}

const ANSWER_TIMEOUT_MS = 10_000
/** Thousands of calls in a list fit well. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20

/**
 * Asks the daemon behind `socketPath`; resolves to the JSON of its answer, or its text where that is no JSON. Rejects with
 * `NoAnswerFromDaemon`: status 69 when no daemon answers, 1 when it refuses. `Answer` is not checked: it is our own daemon's word.
 */
export async function askDaemon<Answer = unknown>(
  socketPath: string,
  name: string,
  query: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const search = new URLSearchParams(query).toString()
  const path = search === '' ? `/${name}` : `/${name}?${search}`
  const { status, type, text } = await get(socketPath, path)
  const answer: unknown = type === 'application/json' ? JSON.parse(text) : text
  if (status === 200) return answer as Answer
  const said = typeof answer === 'object' && answer !== null && 'error' in answer ? answer.error : text
  throw new NoAnswerFromDaemon(String(said), 1)
}

interface Reply {
  readonly status: number
  readonly type: string
  readonly text: string
}

function get(socketPath: string, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new NoAnswerFromDaemon(`no daemon answers at ${socketPath}: ${why}`, EX_UNAVAILABLE))
    const request = http.get({ socketPath, path, agent: false }, (response) => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length > MAX_ANSWER_BYTES) request.destroy(new Error('its answer is too long'))
      })
      response.once('error', (error) => fail(error.message))
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error('it takes too long')))
    request.once('error', (error: NodeJS.ErrnoException) => fail(reasonOf(error, socketPath)))
  })
}

function reasonOf({ code, message }: NodeJS.ErrnoException, socketPath: string): string {
  switch (code) {
    case 'ENOENT':
      // With admin.socket: auto, the daemon is without a socket then.
      if (!existsSync(dirname(socketPath))) {
        return 'there is no such folder, and it makes none. Name another admin.socket in its configuration, and give --config FILE.'
      }
      return 'there is no such socket. Is it running, and with this admin.socket?'
    case 'ECONNREFUSED':
      return 'nobody listens there. Is it running?'
    case 'EACCES':
      return 'permission denied. Be root or the user of the daemon.'
    default:
      return message
  }
}
