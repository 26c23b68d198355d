import type { Config } from '../../config/config.ts'
import type { Listening } from '../ladder/call-answers.ts'
import { urlOf, type WebServer } from '../web/web.ts'

interface Candidate {
  readonly row: { readonly proxyProtocol?: boolean; readonly certificate?: string | undefined } | undefined
  /** `https://[::]:8443`; undefined where there is no such listener. */
  readonly at: string | undefined
}

/**
 * How somebody on this machine reaches our WebSocket: by the very listener, not by what the domain resolves to, which may be a proxy or
 * another machine. Listeners that only proxies may connect to are passed over; the ordinary ones come first. `path`: of the WebSocket.
 */
export function listeningOf(
  { domain, web: config }: Pick<Config, 'domain' | 'web'>,
  web: Pick<WebServer, 'https' | 'http' | 'others'>,
  path: string,
): Listening {
  const all: readonly Candidate[] = [
    { row: config.https, at: web.https && urlOf('https', web.https) },
    { row: config.http, at: web.http && urlOf('http', web.http) },
    // In the order of the configuration.
    ...config.listeners.map((row, index) => ({ row, at: web.others[index] })),
  ]
  const open = all.find(({ row, at }) => at !== undefined && row?.proxyProtocol !== true)
  if (open?.at === undefined) return { domain, url: undefined, certificateFile: undefined }
  const { protocol, hostname, port } = new URL(open.at)
  const isSecure = protocol === 'https:'
  return {
    domain,
    url: `${isSecure ? 'wss' : 'ws'}://${reachable(hostname)}:${port || (isSecure ? 443 : 80)}${path}`,
    certificateFile: isSecure ? open.row?.certificate : undefined,
  }
}

/** A wildcard is reached by loopback. */
const reachable = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '[::]' ? '[::1]' : host
