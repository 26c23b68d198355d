import { contacts, seconds } from '../../sip/message/headers.ts'
import type { SipResponse, Uri } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'

/**
 * What a registrar grants our Contact, in seconds (RFC 3261 §10.2.4); undefined when it does not say. Some write another address
 * or port into it: of one alone it is plain whose it is.
 */
export function grantedS(response: SipResponse, isOurs: (uri: Uri) => boolean): number | undefined {
  const list = readable(() => contacts(response))
  const all = list === undefined || list === '*' ? [] : list
  const mine = all.find(({ uri }) => isOurs(uri)) ?? (all.length === 1 ? all[0] : undefined)
  const text = mine?.parameters.get('expires')
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text)
  return readable(() => seconds(response, 'Expires'))
}
