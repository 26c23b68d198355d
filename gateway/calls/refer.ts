import { addresses } from '../../sip/message/headers.ts'
import { isSipUri, type SipRequest, type SipUri, type Uri } from '../../sip/message/message.ts'
import type { Body } from '../../sip/user-agent.ts'
import { GatewayFailure } from '../gateway-failure.ts'

/** A dialog as its other party names it (RFC 3891 §3): `toTag` is our tag, `fromTag` the peer's. */
export interface Replaces {
  readonly callId: string
  readonly toTag: string
  readonly fromTag: string
  readonly isEarlyOnly: boolean
}

export interface Refer {
  /** A SIP or `tel:` URI. */
  readonly target: Uri
  /** An attended transfer: the call to join with, as the transferor knows it. */
  readonly replaces: Replaces | undefined
}

const MAX_REPLACES_LENGTH = 1_024

/** Reads REFER (RFC 3515 §2.4.1). Throws `transfer.malformed`. */
export function readRefer(request: SipRequest): Refer {
  const [target, ...others] = addresses(request, 'Refer-To')
  if (target === undefined || others.length > 0) {
    throw new GatewayFailure('transfer.malformed', {
      expected: 'one Refer-To',
      seen: String(others.length + 1),
    })
  }
  const { uri } = target
  if (uri.scheme === 'tel') return { target: uri, replaces: undefined }
  if (!isSipUri(uri))
    throw new GatewayFailure('transfer.malformed', { expected: 'a SIP URI', seen: uri.scheme })
  const method = uri.parameters.get('method')?.toUpperCase() ?? 'INVITE'
  if (method !== 'INVITE')
    throw new GatewayFailure('transfer.malformed', { expected: 'INVITE', seen: method })
  return { target: uri, replaces: replacesOf(uri) }
}

/** The Replaces header inside a URI, whose value is percent-encoded (`%40`, `%3B`). */
function replacesOf(uri: SipUri): Replaces | undefined {
  const field = (uri.headers ?? '').split('&').find((part) => /^replaces=/i.test(part))
  if (field === undefined) return undefined
  const value = field.slice(field.indexOf('=') + 1)
  if (value.length > MAX_REPLACES_LENGTH)
    throw new GatewayFailure('transfer.malformed', { seen: 'a long Replaces' })
  try {
    return readReplaces(decodeURIComponent(value))
  } catch (error) {
    if (error instanceof URIError)
      throw new GatewayFailure('transfer.malformed', { seen: 'a broken escape', cause: error })
    throw error
  }
}

/** `call-id;to-tag=...;from-tag=...[;early-only]`, in any order of the parameters. Throws `transfer.malformed`. */
export function readReplaces(value: string): Replaces {
  const [callId = '', ...fields] = value.split(';').map((part) => part.trim())
  const parameters = new Map(
    fields.map((field) => {
      const [name = '', ...rest] = field.split('=')
      return [name.trim().toLowerCase(), rest.join('=').trim()] as const
    }),
  )
  const [toTag, fromTag] = [parameters.get('to-tag'), parameters.get('from-tag')]
  if (callId === '' || toTag === undefined || fromTag === undefined) {
    throw new GatewayFailure('transfer.malformed', { expected: 'call-id, to-tag and from-tag in Replaces' })
  }
  return { callId, toTag, fromTag, isEarlyOnly: parameters.has('early-only') }
}

/** The body of a NOTIFY about a transfer: a status line (RFC 3420). */
export function sipfrag(status: number, reason: string): Body {
  return { contentType: 'message/sipfrag;version=2.0', bytes: Buffer.from(`SIP/2.0 ${status} ${reason}\r\n`) }
}
