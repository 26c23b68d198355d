import type { Config } from '../../config/config.ts'
import type { Listening } from '../ladder/call-answers.ts'
import type { WebServer } from '../web/web.ts'

/**
 * How somebody on this machine reaches our WebSocket: by the very listener, not by what the domain resolves to, which may be a proxy or
 * another machine. Listeners that only proxies may connect to are passed over. `path`: of the WebSocket.
 */
export function listeningOf(
  { domain, web: config }: Pick<Config, 'domain' | 'web'>,
  web: Pick<WebServer, 'https' | 'http'>,
  path: string,
): Listening {
  const isOpen = (row: { readonly proxyProtocol?: boolean } | undefined): boolean =>
    row?.proxyProtocol !== true
  if (web.https !== undefined && isOpen(config.https)) {
    const url = `wss://${hostOf(web.https)}:${web.https.port}${path}`
    return { domain, url, certificateFile: config.https?.certificate }
  }
  const isClear = web.http !== undefined && isOpen(config.http)
  const url = isClear ? `ws://${hostOf(web.http)}:${web.http.port}${path}` : undefined
  return { domain, url, certificateFile: undefined }
}

/** A wildcard is reached by loopback. */
function hostOf({ address }: { readonly address: string }): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
