import { nameAddr } from '../../gateway/calls/identity.ts'
import type { Header, SipResponse } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import type {
  IncomingRequest,
  IncomingSubscribe,
  NoAnswer,
  OutgoingSubscription,
  SubscriptionEnd,
} from '../../sip/user-agent.ts'
import { type Peer, type ScriptedGateway, statusIn } from './scripted-gateway.ts'

export interface SentRequest {
  answer: SipResponse | NoAnswer | undefined
}

export interface SentOptions {
  readonly headers?: readonly Header[]
  readonly body?: string
  readonly contentType?: string
  /** False: to the gateway itself. */
  readonly hasUser?: boolean
}

/** A request of a peer outside a dialog; its answer once it has come. */
export function send(
  peer: Peer,
  method: string,
  from: string,
  to: string,
  { headers = [], body, contentType = 'text/plain', hasUser = true }: SentOptions = {},
): SentRequest {
  const sent: SentRequest = { answer: undefined }
  peer.userAgent.request(
    {
      method,
      flow: peer.flow,
      uri: sipUri({ ...(hasUser ? { user: to } : {}), host: 'example.com' }),
      from: nameAddr(sipUri({ user: from, host: 'example.com' })),
      to: nameAddr(sipUri({ user: to, host: 'example.com' })),
      headers,
      ...(body === undefined ? {} : { body: { contentType, bytes: Buffer.from(body) } }),
    },
    (response) => {
      sent.answer = response
    },
  )
  return sent
}

export const statusOfSent = ({ answer }: SentRequest): number | string | undefined => statusIn(answer)

/** Advances until the peer was asked something; its newest request. */
export async function asked(gateway: ScriptedGateway, peer: Peer): Promise<IncomingRequest> {
  await gateway.time.advance(50)
  const request = peer.requests.at(-1)
  if (request === undefined) throw new Error(`nothing was asked; log: ${JSON.stringify(gateway.log)}`)
  return request
}

/** The same for a SUBSCRIBE. */
export async function subscribedTo(gateway: ScriptedGateway, peer: Peer): Promise<IncomingSubscribe> {
  await gateway.time.advance(50)
  const subscribe = peer.subscribes.at(-1)
  if (subscribe === undefined) throw new Error(`no SUBSCRIBE came; log: ${JSON.stringify(gateway.log)}`)
  return subscribe
}

export interface ScriptedSubscription {
  readonly subscription: OutgoingSubscription
  readonly notifies: IncomingRequest[]
  accepted: { readonly response: SipResponse; readonly expiresS: number } | undefined
  ended: SubscriptionEnd | undefined
  /** What NOTIFY is answered; undefined: the test answers. */
  status: number | undefined
}

/** A peer subscribes. */
export function subscribe(
  peer: Peer,
  from: string,
  to: string,
  event: string,
  options: { readonly expiresS?: number; readonly headers?: readonly Header[] } = {},
): ScriptedSubscription {
  const made: ScriptedSubscription = {
    subscription: peer.userAgent.subscribe(
      {
        flow: peer.flow,
        uri: sipUri({ user: to, host: 'example.com' }),
        from: nameAddr(sipUri({ user: from, host: 'example.com' })),
        to: nameAddr(sipUri({ user: to, host: 'example.com' })),
        event,
        expiresS: options.expiresS ?? 600,
        headers: options.headers ?? [],
      },
      {
        onAccept: (response, expiresS) => {
          made.accepted = { response, expiresS }
        },
        onNotify: (notify) => {
          made.notifies.push(notify)
          if (made.status !== undefined) notify.respond(made.status)
        },
        onEnd: (reason) => {
          made.ended = reason
        },
      },
    ),
    notifies: [],
    accepted: undefined,
    ended: undefined,
    status: 200,
  }
  return made
}

export const endOf = ({ ended }: ScriptedSubscription): number | string | undefined => statusIn(ended)
