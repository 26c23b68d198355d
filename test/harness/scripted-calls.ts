import { nameAddr } from '../../gateway/calls/identity.ts'
import type { Direction, LocalTransport } from '../../media/parameters.ts'
import { createAnswer } from '../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import type { Header, SipResponse, Uri } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import type {
  Body,
  DialogHandler,
  IncomingInvite,
  IncomingReinvite,
  InviteDialog,
  NoAnswer,
  OutgoingInvite,
  ReinviteOutcome,
} from '../../sip/user-agent.ts'
import { type Peer, reasonOf, type ScriptedGateway, statusIn } from './scripted-gateway.ts'

export const BROWSER: LocalTransport = {
  kind: 'webrtc',
  ice: { ufrag: 'abcd', pwd: 'abcdefghijklmnopqrstuvwx' },
  candidates: [
    { foundation: '1', priority: 2_113_937_151, type: 'host', address: '198.51.100.7', port: 40_000 },
  ],
  fingerprint: { hash: 'sha-256', value: Array.from({ length: 32 }, () => 'AB').join(':') },
  ssrc: 1,
  cname: 'browser',
}
export const PHONE: LocalTransport = {
  kind: 'rtp',
  rtp: { address: '127.0.0.1', port: 40_002 },
  rtcpPort: 40_003,
  crypto: [],
  ssrc: 2,
  cname: 'phone',
}
const ORIGIN = { sessionId: '1', version: 1 }
export const sdp = (text: string): Body => ({ contentType: 'application/sdp', bytes: Buffer.from(text) })
export const offerOf = (local: LocalTransport, codecs = STANDARD_CODECS): Body =>
  sdp(createOffer({ local, codecs, origin: ORIGIN, direction: 'sendrecv' }).text)

/** What a user agent that answers everything says to an offer of the gateway. */
export function answerTo(invite: IncomingInvite, local: LocalTransport): Body {
  return answerText(invite.request.body, local, 'sendrecv')
}

export function answerText(body: Buffer, local: LocalTransport, direction: Direction): Body {
  const offer = readOffer(body, local.kind)
  const codecs = answerableCodecs(offer, offer.codecs)
  return sdp(createAnswer({ offer, local, codecs, origin: ORIGIN, direction }))
}

/** What a phone answers that has these codecs alone, and key presses. */
export function answerIn(
  invite: IncomingInvite,
  names: readonly string[],
  direction: Direction = 'sendrecv',
): Body {
  const offer = readOffer(invite.request.body, PHONE.kind)
  const codecs = answerableCodecs(
    offer,
    offer.codecs.filter(({ name }) => [...names, 'telephone-event'].includes(name)),
  )
  return sdp(createAnswer({ offer, local: PHONE, codecs, origin: ORIGIN, direction }))
}

/** A peer's dialog after the answer: what it was asked in mid-call, and how to ask. */
export class PeerDialog {
  readonly local: LocalTransport
  /** Offers that came in re-INVITEs, oldest first. */
  readonly offers: string[] = []
  /** Answers 491 this many times before it answers at all. */
  glares = 0
  ended: string | undefined
  endedBy: string | undefined
  dialog: InviteDialog | undefined
  /** Answers re-INVITEs in another way. */
  answers: ((reinvite: IncomingReinvite) => void) | undefined
  /** What it answers a re-INVITE with. */
  direction: Direction = 'sendrecv'
  headers: readonly Header[] = []
  readonly handler: DialogHandler = {
    onEnd: (reason, request) => {
      this.ended = reason
      this.endedBy = request === undefined ? undefined : reasonOf(request)
    },
    onAck: () => {},
    onRefreshDue: () => {},
    onReinvite: (reinvite) => {
      this.offers.push(reinvite.request.body.toString())
      if (this.answers !== undefined) {
        this.answers(reinvite)
        return
      }
      if (this.glares > 0) {
        this.glares -= 1
        reinvite.reject(491)
        return
      }
      const body = answerText(reinvite.request.body, this.local, this.direction)
      reinvite.accept({ headers: this.headers, body })
    },
    onRequest: (request) => {
      if (request.request.method === 'NOTIFY') this.onNotify(request.request.body.toString())
      request.respond(200)
    },
  }
  /** Is given the body of each NOTIFY. */
  onNotify: (body: string) => void = () => {}

  constructor(local: LocalTransport) {
    this.local = local
  }

  /** Sends a re-INVITE; the final answer once it has come. */
  async reoffer(gateway: ScriptedGateway, body: Body): Promise<ReinviteOutcome | undefined> {
    let answer: ReinviteOutcome | undefined
    this.dialog?.reinvite({ body }, (response) => {
      answer = response
    })
    await gateway.time.advance(100)
    return answer
  }
}

/** An offer of a peer in mid-call. */
export const reofferOf = (local: LocalTransport, direction: Direction, version = 2): Body =>
  sdp(createOffer({ local, codecs: STANDARD_CODECS, origin: { sessionId: '1', version }, direction }).text)

/**
 * A re-INVITE without an offer, which the stack does not send: as the trunk wrote its last INVITE. Its ACK brings `answer` to what
 * the 200 offers, after what happens `beforeAck`; the description that was offered.
 */
export async function reinviteWithoutOffer(
  gateway: ScriptedGateway,
  answer: (offer: Buffer) => Body,
  beforeAck: () => Promise<unknown> = async () => undefined,
): Promise<string> {
  const { flow } = gateway.trunk
  const written = flow.sent.findLast((text) => /^(?:INVITE|ACK) /.test(text)) ?? ''
  const numbers = flow.sent.map((text) => Number(/^CSeq: (\d+)/m.exec(text)?.[1] ?? 0))
  const number = Math.max(...numbers, 100) + 1
  const make = (method: string, branch: string, body: Uint8Array): Buffer => {
    const head = (written.split('\r\n\r\n', 1)[0] ?? '')
      .replace(/^\S+/, method)
      .replace(/^CSeq: .*$/m, `CSeq: ${number} ${method}`)
      .replace(/branch=[^;\r]+/, `branch=z9hG4bK${branch}${number}`)
      .replace(/^Content-Length: .*$/m, `Content-Length: ${body.length}`)
    const type = head.includes('Content-Type:') ? '' : '\r\nContent-Type: application/sdp'
    return Buffer.concat([Buffer.from(`${head}${type}\r\n\r\n`), body])
  }
  gateway.userAgent.receive(make('INVITE', 'one', Buffer.alloc(0)), gateway.trunkFlow)
  await gateway.time.advance(100)
  const response = gateway.trunkFlow.sent.findLast((text) => text.startsWith('SIP/2.0 200')) ?? ''
  const offer = response.slice(response.indexOf('v=0'))
  await beforeAck()
  gateway.userAgent.receive(make('ACK', 'two', answer(Buffer.from(offer)).bytes), gateway.trunkFlow)
  await gateway.time.advance(100)
  return offer
}

/**
 * A fork of the trunk's answers the INVITE it has, which no user agent does: with this To tag, and a phone's description that has
 * its RTP at this port, or with none.
 */
export function answerOfFork(
  gateway: ScriptedGateway,
  status: number,
  tag: string,
  port: number | undefined,
): void {
  const [invite] = gateway.trunk.invites
  const head = gateway.trunkFlow.sent.findLast((text) => text.startsWith('INVITE '))?.split('\r\n\r\n', 1)[0]
  if (invite === undefined || head === undefined || PHONE.kind !== 'rtp') throw new Error('no INVITE arrived')
  const rtp = { ...PHONE.rtp, port: port ?? 0 }
  const body = port === undefined ? '' : answerTo(invite, { ...PHONE, rtp, rtcpPort: rtp.port + 1 }).bytes
  const kept = head.split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
  const lines = [
    `SIP/2.0 ${status} Fork`,
    ...kept.map((line) => (line.startsWith('To:') ? `${line};tag=${tag}` : line)),
    'Contact: <sip:127.0.0.1:5070>',
    ...(port === undefined ? [] : ['Content-Type: application/sdp']),
    `Content-Length: ${body.length}`,
    '',
    Buffer.from(body).toString(),
  ]
  gateway.userAgent.receive(Buffer.from(lines.join('\r\n')), gateway.trunkFlow)
}

export interface AnsweredCall {
  readonly caller: PeerDialog
  readonly callee: PeerDialog
}

/** A call from a peer to another one, answered. */
export async function answered(
  gateway: ScriptedGateway,
  from: { readonly peer: Peer; readonly user: string; readonly local: LocalTransport },
  to: { readonly peer: Peer; readonly number: string; readonly local: LocalTransport },
): Promise<AnsweredCall> {
  const caller = new PeerDialog(from.local)
  const callee = new PeerDialog(to.local)
  const call = place(from.peer, from.user, to.number, { body: offerOf(from.local), handler: caller.handler })
  const invite = await ringing(gateway, to.peer)
  callee.dialog = invite.accept({ body: answerTo(invite, to.local) }, callee.handler)
  await gateway.time.advance(100)
  caller.dialog = call.dialog
  if (statusOf(call) !== 200) throw new Error(`the call was answered ${statusOf(call)}`)
  return { caller, callee }
}

export interface PlacedCall {
  readonly invite: OutgoingInvite
  readonly progress: SipResponse[]
  final: SipResponse | NoAnswer | undefined
  dialog: InviteDialog | undefined
  ended: string | undefined
  endedBy: string | undefined
  /** When the INVITE had no offer: what answers the offer of the 200, in ACK. */
  answerInAck: LocalTransport | ((offer: Buffer) => Body) | undefined
}

export interface PlaceOptions {
  /** A browser's offer unless given. */
  readonly body?: Body | 'none'
  /** Of the dialog; unless given it notes the end, and refuses to change anything. */
  readonly handler?: DialogHandler
  readonly headers?: readonly Header[]
  /** Where `to` is not a user of our domain. */
  readonly where?: { readonly uri: Uri; readonly to: Uri }
  /** Our domain unless given. */
  readonly fromHost?: string
}

/** An INVITE of a peer, as this user, to a user or number. */
export function place(peer: Peer, from: string, to: string, options: PlaceOptions = {}): PlacedCall {
  const { body = offerOf(BROWSER), headers = [], fromHost = 'example.com' } = options
  const called = sipUri({ user: to, host: 'example.com' })
  const { where = { uri: called, to: called } } = options
  const handler: DialogHandler = {
    onEnd: (reason, request) => {
      call.ended = reason
      call.endedBy = request === undefined ? undefined : reasonOf(request)
    },
    onAck: () => {},
    onReinvite: (reinvite) => reinvite.reject(488),
    onRefreshDue: () => {},
    onRequest: (request) => request.respond(200),
  }
  const call: PlacedCall = {
    progress: [],
    final: undefined,
    dialog: undefined,
    ended: undefined,
    endedBy: undefined,
    answerInAck: undefined,
    invite: peer.userAgent.invite(
      {
        flow: peer.flow,
        uri: where.uri,
        from: nameAddr(sipUri({ user: from, host: fromHost })),
        to: nameAddr(where.to),
        headers,
        ...(body === 'none' ? {} : { body }),
        dialogHandler: options.handler ?? handler,
      },
      {
        onProgress: (response) => call.progress.push(response),
        onAccept: (response, dialog) => {
          call.final = response
          call.dialog = dialog
          const { answerInAck } = call
          if (answerInAck === undefined) dialog.acknowledge()
          else if (typeof answerInAck === 'function') dialog.acknowledge(answerInAck(response.body))
          else dialog.acknowledge(answerText(response.body, answerInAck, 'sendrecv'))
        },
        onReject: (response) => {
          call.final = response
        },
      },
    ),
  }
  return call
}

export const statusOf = (call: PlacedCall): number | string | undefined => statusIn(call.final)

export const reasonText = (call: PlacedCall): string | undefined =>
  typeof call.final === 'object' ? reasonOf(call.final) : undefined

export const quiet: DialogHandler = {
  onEnd: () => {},
  onAck: () => {},
  onReinvite: (r) => r.reject(488),
  onRefreshDue: () => {},
  onRequest: () => {},
}

/** Advances until the peer has been called; its first INVITE. */
export async function ringing(gateway: ScriptedGateway, peer: Peer): Promise<IncomingInvite> {
  for (let turn = 0; turn < 50 && peer.invites.length === 0; turn += 1) await gateway.time.advance(10)
  const [invite] = peer.invites
  if (invite === undefined) throw new Error(`no INVITE arrived; log: ${JSON.stringify(gateway.log)}`)
  return invite
}

/** What the trunk sends meanwhile reaches the gateway in one turn of the event loop, as frames of one TCP segment do. */
export function inOneBreath(
  gateway: ScriptedGateway,
  send: () => void,
  edit: (texts: readonly string[]) => readonly string[] = (texts) => texts,
): void {
  const texts: string[] = []
  gateway.trunk.flow.drops = (text) => texts.push(text) > 0
  send()
  gateway.trunk.flow.drops = () => false
  for (const text of edit(texts)) gateway.userAgent.receive(Buffer.from(text, 'latin1'), gateway.trunkFlow)
}
