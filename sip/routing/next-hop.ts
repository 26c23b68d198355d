import { isIP } from 'node:net'
import type { SocketAddress } from '../flow.ts'
import { addresses } from '../message/headers.ts'
import { isSipUri, type SipRequest } from '../message/message.ts'
import { readable } from '../message/readable.ts'
import { defaultSipPort } from './locate.ts'

/**
 * Where a request goes by its first Route, or by its URI where it has none (RFC 3261 §8.1.2, §12.2.1.1), when that is a place that
 * UDP leads to and no name: nothing is looked up in mid-call.
 */
export function nextHop(request: SipRequest): SocketAddress | undefined {
  const [route] = readable(() => addresses(request, 'Route')) ?? []
  const uri = route?.uri ?? request.uri
  if (!isSipUri(uri) || uri.scheme !== 'sip' || isIP(uri.host) === 0) return undefined
  const transport = uri.parameters.get('transport')?.toLowerCase() ?? 'udp'
  if (transport !== 'udp' || uri.parameters.has('maddr')) return undefined
  return { address: uri.host, port: uri.port ?? defaultSipPort(transport) }
}
