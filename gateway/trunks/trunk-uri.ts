import type { TrunkConfig } from '../../config/config.ts'
import type { SipUri } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { defaultSipPort } from '../../sip/routing/locate.ts'
import { domainAt } from './trunk-account.ts'

/** A number, or nobody in particular, at a trunk. */
export function trunkUri(trunk: TrunkConfig, user?: string): SipUri {
  const { port, transport, account } = trunk
  const isUsual = port === undefined || (transport !== 'auto' && port === defaultSipPort(transport))
  // A domain has no port: it is the host whose server listens there.
  const isPlain = isUsual || account?.domain !== undefined
  const host = domainAt(trunk)
  return sipUri({ ...(user === undefined ? {} : { user }), host, port: isPlain ? undefined : port })
}
