import type { Flow } from '../../../sip/flow.ts'
import { Link, type LinkOptions } from './link.ts'
import { Phone, type PhoneOptions } from './phone.ts'
import { VirtualClock } from './virtual-clock.ts'

/** A phone at one end of a link, and at the other whatever the test writes by hand. */
export function scripted(options: PhoneOptions = {}, link: LinkOptions = {}) {
  const clock = new VirtualClock()
  const phone = new Phone(clock, options)
  const wire = new Link(clock, { delayMs: 0, ...link })
  const flow: Flow = wire.a.flow
  wire.connect(phone.agent, { receive: () => {} })
  const say = (text: string): void => phone.agent.receive(Buffer.from(text), flow)
  return {
    clock,
    phone,
    flow,
    wire,
    /** What the phone has sent. */
    sent: wire.a.sent,
    say,
    last: () => wire.a.sent.at(-1) ?? '',
  }
}

export const lineOf = (text: string, name: string): string =>
  text.split('\r\n').find((line) => line.startsWith(`${name}: `)) ?? ''

export interface ReplyOptions {
  readonly tag?: string
  readonly headers?: readonly string[]
  readonly body?: string
}

/** A response to a request as text. */
export function reply(request: string, status: number, options: ReplyOptions = {}): string {
  const { tag = 'bob', headers = ['Contact: <sip:bob@192.0.2.2>'], body = '' } = options
  const to = lineOf(request, 'To')
  const tagged = tag === '' || to.includes(';tag=') ? to : `${to};tag=${tag}`
  const copied = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => lineOf(request, name))
  const type = body === '' ? [] : ['Content-Type: application/sdp']
  return [
    `SIP/2.0 ${status} Whatever`,
    ...copied,
    tagged,
    ...headers,
    ...type,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}

export interface AskOptions {
  readonly uri?: string
  readonly branch?: string
  readonly via?: string
  readonly fromTag?: string
  readonly toTag?: string
  readonly callId?: string
  readonly cseq?: number
  readonly headers?: readonly string[]
  readonly body?: string
}

/** A request of the peer as text. */
export function ask(method: string, options: AskOptions = {}): string {
  const { cseq = 1, body = '', headers = [] } = options
  const from = options.fromTag === '' ? '' : `;tag=${options.fromTag ?? 'peer'}`
  const to = options.toTag === undefined ? '' : `;tag=${options.toTag}`
  const via =
    options.via ?? `SIP/2.0/UDP 192.0.2.2:5060;branch=${options.branch ?? `z9hG4bK${method}${cseq}`}`
  const contact = method === 'INVITE' && !headers.some((line) => line.startsWith('Contact'))
  return [
    `${method} ${options.uri ?? 'sip:us@192.0.2.1'} SIP/2.0`,
    `Via: ${via}`,
    'Max-Forwards: 70',
    `From: <sip:peer@192.0.2.2>${from}`,
    `To: <sip:us@192.0.2.1>${to}`,
    `Call-ID: ${options.callId ?? 'call'}`,
    `CSeq: ${cseq} ${method}`,
    ...(contact ? ['Contact: <sip:peer@192.0.2.2:5060>'] : []),
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

export const statusOf = (text: string): number => Number(/^SIP\/2\.0 (\d+)/.exec(text)?.[1])
export const tagOf = (text: string): string => /;tag=(\w+)/.exec(lineOf(text, 'To'))?.[1] ?? ''
