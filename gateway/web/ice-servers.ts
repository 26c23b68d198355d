import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Log } from '../../config/logging.ts'
import type { Registration } from '../registration/registration.ts'
import type { ClientAddresses } from './client-addresses.ts'
import { type Endpoint, jsonContent, PRIVATE_HEADERS, respond } from './respond.ts'
import type { TurnCredentials } from './turn.ts'

export interface IceServersOptions {
  readonly registration: Registration
  readonly turn: TurnCredentials
  readonly log: Log
  /** Whoever is at the other end, proxies left out. */
  readonly clients: Pick<ClientAddresses, 'of'>
}

/**
 * `GET /ice-servers`: TURN servers as JSON, for clients that sign in with the SIP password (HTTP digest, same realm) or a bearer token.
 * A refused request costs its connection, so that guessing here is no cheaper than by REGISTER.
 */
export function createIceServers({ registration, turn, log, clients }: IceServersOptions): Endpoint {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '' } = request
    const { address } = clients.of(request)
    const verdict = await registration.authenticateHttp(method, url, request.headers.authorization, address)
    if (verdict.kind === 'refused') {
      const challenges = verdict.challenges.map(({ value }) => value)
      response.writeHead(verdict.status, {
        ...PRIVATE_HEADERS,
        Connection: 'close',
        'Content-Length': 0,
        ...(challenges.length === 0 ? {} : { 'WWW-Authenticate': challenges }),
      })
      response.end()
      return
    }
    respond(response, 200, jsonContent(turn.serversFor(verdict.user)), PRIVATE_HEADERS)
  }
  return (request, response) => {
    answer(request, response).catch((error: unknown) => {
      log.error('internal error', { error, path: '/ice-servers' })
      response.destroy()
    })
  }
}
