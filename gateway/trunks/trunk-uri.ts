import type { TrunkConfig } from '../../config/config.ts'
import type { SipUri } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { defaultSipPort } from '../../sip/routing/locate.ts'

/** A number, or nobody in particular, at a trunk. */
export function trunkUri({ host, port, transport }: TrunkConfig, user?: string): SipUri {
  const isUsual = port === undefined || (transport !== 'auto' && port === defaultSipPort(transport))
  return sipUri({ ...(user === undefined ? {} : { user }), host, port: isUsual ? undefined : port })
}
