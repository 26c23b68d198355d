import { branchOf, headerOf, headersOf, methodOf, parseSipText, statusOf } from '../sip-text.ts'

/** What a watch wants of a SIP message, read from its text alone. */
export interface WireMessage {
  readonly kind: 'request' | 'response'
  /** Of a response that of its request. */
  readonly method: string
  /** 0 of a request. */
  readonly status: number
  readonly branch: string
  readonly callId: string
  readonly fromTag: string
  readonly toTag: string
  readonly cseq: number
  readonly hasContact: boolean
  readonly contentType: string
  readonly contentLength: number
  readonly body: string
  readonly text: string
}

const tagIn = (value: string): string => /;tag=([^;>\s]+)/.exec(value.replace(/^.*>/, ''))?.[1] ?? ''

/** Undefined for what is no message, such as a keep-alive. */
export function wireMessage(text: string): WireMessage | undefined {
  if (!/^(?:[A-Z]+ \S+ SIP\/2\.0|SIP\/2\.0 \d{3} )/.test(text)) return undefined
  const parsed = parseSipText(text)
  const status = statusOf(parsed)
  const [number = '0', method = ''] = headerOf(parsed, 'CSeq').split(/\s+/)
  return {
    kind: status === undefined ? 'request' : 'response',
    method: status === undefined ? methodOf(parsed) : method,
    status: status ?? 0,
    branch: branchOf(parsed),
    callId: headerOf(parsed, 'Call-ID'),
    fromTag: tagIn(headerOf(parsed, 'From')),
    toTag: tagIn(headerOf(parsed, 'To')),
    cseq: Number(number),
    hasContact: headersOf(parsed, 'Contact').length > 0,
    contentType: headerOf(parsed, 'Content-Type'),
    contentLength: Number(headerOf(parsed, 'Content-Length')),
    body: parsed.body,
    text,
  }
}
