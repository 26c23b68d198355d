/** SIP messages as frozen values (RFC 3261 §7). Made by `parser.ts` or `build.ts`, written by `format.ts`. */

export interface SipUri {
  readonly scheme: 'sip' | 'sips'
  /** Unescaped; undefined when absent. */
  readonly user: string | undefined
  /** Lower case; IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  /** Names in lower case, values unescaped; '' for a flag such as `lr`. */
  readonly parameters: ReadonlyMap<string, string>
  /** The part after `?`, as sent. */
  readonly headers: string | undefined
  /** The source text, echoed when the URI is written again. */
  readonly text: string
}

/** `tel:`, `urn:` and anything else: never parsed, only kept. */
export interface OtherUri {
  readonly scheme: string
  readonly user: undefined
  readonly host: undefined
  readonly text: string
}

export type Uri = SipUri | OtherUri

export const isSipUri = (uri: Uri): uri is SipUri => uri.host !== undefined

export interface NameAddr {
  /** Unquoted; undefined when absent. */
  readonly displayName: string | undefined
  readonly uri: Uri
  /** Header parameters: names in lower case; '' for a flag. */
  readonly parameters: ReadonlyMap<string, string>
}

export interface Via {
  /** Upper case: UDP, TCP, TLS, WS, WSS. */
  readonly transport: string
  /** Lower case, as sent; IPv6 without brackets. */
  readonly host: string
  readonly port: number | undefined
  readonly parameters: ReadonlyMap<string, string>
  readonly text: string
}

export interface Header {
  /** Long form with canonical case for known names (`Call-ID`), else as sent. */
  readonly name: string
  readonly value: string
}

interface SipCommon {
  /** In order of appearance, comma lists not split. */
  readonly headers: readonly Header[]
  /** Topmost first, at least one. */
  readonly via: readonly Via[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: { readonly number: number; readonly method: string }
  readonly body: Buffer
}

export interface SipRequest extends SipCommon {
  readonly kind: 'request'
  readonly method: string
  readonly uri: Uri
}

export interface SipResponse extends SipCommon {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
}

export type SipMessage = SipRequest | SipResponse
