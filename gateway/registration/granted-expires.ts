import { contacts, seconds } from '../../sip/headers.ts'
import type { SipResponse, Uri } from '../../sip/message.ts'
import { readable } from '../../sip/readable.ts'

/** What a registrar grants our Contact, in seconds (RFC 3261 §10.2.4); undefined when it does not say. */
export function grantedS(response: SipResponse, isOurs: (uri: Uri) => boolean): number | undefined {
  const list = readable(() => contacts(response))
  const mine = list === undefined || list === '*' ? undefined : list.find(({ uri }) => isOurs(uri))
  const text = mine?.parameters.get('expires')
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text)
  return readable(() => seconds(response, 'Expires'))
}
