import { brokenAnswer, brokenRedescription, descriptionOf } from './offered-and-answered.ts'
import { type WireMessage, wireMessage } from './wire-message.ts'

/** A link between the gateway and one peer, as the watch knows it. */
export interface WatchedLink {
  readonly name: string
  isClosed: boolean
}

/** A request of a peer, and what the gateway has said to it. */
interface Asked {
  readonly request: WireMessage
  readonly link: WatchedLink
  readonly atMs: number
  readonly isInitialInvite: boolean
  final: number | undefined
  isRepeated: boolean
  readonly offer: string
}

/** A request of the gateway. */
interface Sent {
  readonly request: WireMessage
  readonly link: WatchedLink
  readonly atMs: number
  hasProgress: boolean
  final: number | undefined
  finalMs: number | undefined
  cancelledMs: number | undefined
  /** Answers that want an ACK and have none, by their To tag. */
  readonly unacknowledged: Map<string, number>
}

/** A dialog in the direction in which the gateway sends. */
interface Way {
  cseq: number
  isOver: boolean
}

/** RFC 3261 Timer F, and a little. */
const ANSWER_MS = 33_000
/** RFC 3261 §17: no transaction of a peer is remembered longer than this, and some less long. */
const FORGOTTEN_MS = 66_000
/** After so long a request of ours has no answer. */
const GIVEN_UP_MS = 32_000
/** ACK goes out at once. */
const ACK_MS = 2_000

/**
 * Reads every message between the gateway and its peers with no help of the SIP stack, and says which rules of RFC 3261, 3262 and
 * 3264 the gateway breaks.
 */
export class WireWatch {
  readonly broken: string[] = []
  readonly #nowMs: () => number
  /** How long an INVITE may ring. */
  readonly #ringMs: number
  readonly #asked = new Map<string, Asked>()
  readonly #sent = new Map<string, Sent>()
  readonly #ways = new Map<string, Way>()
  /** What the gateway has last said of its media, by Call-ID and its own tag. */
  readonly #descriptions = new Map<string, string>()
  /** Call-ID and To tag of the gateway's 2xx, and how a peer names a dialog of its own. */
  readonly #known = new Set<string>()

  constructor(nowMs: () => number, ringMs: number) {
    this.#nowMs = nowMs
    this.#ringMs = ringMs
  }

  /** The gateway has sent this. */
  sends(text: string, link: WatchedLink): void {
    const message = wireMessage(text)
    if (message === undefined) return
    if (Buffer.byteLength(message.body, 'latin1') !== message.contentLength)
      this.#breaks('Content-Length', message)
    if (message.kind === 'response') this.#sendsResponse(message)
    else if (message.method === 'ACK') this.#sendsAck(message)
    else if (message.method === 'CANCEL') this.#sendsCancel(message)
    else this.#sendsRequest(message, link)
  }

  /** The gateway has received this. */
  receives(text: string, link: WatchedLink): void {
    const message = wireMessage(text)
    if (message === undefined) return
    if (message.kind === 'response') this.#receivesResponse(message)
    else if (message.method !== 'ACK') this.#receivesRequest(message, link)
  }

  /** Calls for nobody who may ring for ever. */
  check(isPatient: (callId: string) => boolean): void {
    const nowMs = this.#nowMs()
    for (const [key, { request, link, atMs, final, isInitialInvite }] of this.#asked) {
      if (final !== undefined || link.isClosed) continue
      const limitMs = isInitialInvite ? this.#ringMs : ANSWER_MS
      if (nowMs - atMs < limitMs || (isInitialInvite && isPatient(request.callId))) continue
      this.#breaks(`no final answer in ${limitMs} ms`, request)
      this.#asked.delete(key)
    }
    for (const { request, link, unacknowledged } of this.#sent.values()) {
      if (link.isClosed) unacknowledged.clear()
      for (const [tag, sinceMs] of unacknowledged) {
        if (nowMs - sinceMs < ACK_MS) continue
        this.#breaks(`no ACK for the answer of ${tag}`, request)
        unacknowledged.delete(tag)
      }
    }
  }

  #receivesRequest(request: WireMessage, link: WatchedLink): void {
    const key = keyOf(request)
    const isInitialInvite = request.method === 'INVITE' && request.toTag === ''
    const known = this.#asked.get(key)
    // By then it is a new one.
    if (known !== undefined && (known.final === undefined || this.#nowMs() - known.atMs < FORGOTTEN_MS)) {
      known.isRepeated = true
      return
    }
    this.#asked.set(key, {
      request,
      link,
      atMs: this.#nowMs(),
      isInitialInvite,
      final: undefined,
      isRepeated: false,
      offer: descriptionOf(request),
    })
    this.#known.add(`${request.callId} ${request.fromTag}`)
  }

  #sendsResponse(response: WireMessage): void {
    const asked = this.#asked.get(keyOf(response))
    if (asked === undefined) {
      this.#breaks('a response to nothing', response)
      return
    }
    const { request, final, isRepeated } = asked
    if (final === response.status) return
    if (response.callId !== request.callId || response.cseq !== request.cseq)
      this.#breaks('a response that is of another request', response)
    if (response.status > 100 && response.toTag === '') this.#breaks('no To tag', response)
    if (request.toTag !== '' && response.toTag !== request.toTag) this.#breaks('another To tag', response)
    // What was refused to a stranger is forgotten, and looked at anew.
    if (final !== undefined && !isRepeated) this.#breaks(`a ${response.status} after ${final}`, response)
    if (response.status >= 200) asked.final = response.status
    if (response.method === 'INVITE' || response.method === 'UPDATE') this.#answers(response, asked.offer)
  }

  #answers(response: WireMessage, offer: string): void {
    const isSuccess = response.status >= 200 && response.status < 300
    if (isSuccess && !response.hasContact) this.#breaks('no Contact', response)
    const description = descriptionOf(response)
    if (description === '') {
      if (offer !== '' && isSuccess) this.#breaks('2xx without an answer', response)
      return
    }
    const why = offer === '' ? undefined : brokenAnswer(offer, description)
    if (why !== undefined) this.#breaks(`answer: ${why}`, response)
    this.#describes(response, `${response.callId} ${response.toTag}`, description)
  }

  #sendsRequest(request: WireMessage, link: WatchedLink): void {
    const key = keyOf(request)
    if (this.#sent.has(key)) return
    this.#sent.set(key, {
      request,
      link,
      atMs: this.#nowMs(),
      hasProgress: false,
      final: undefined,
      finalMs: undefined,
      cancelledMs: undefined,
      unacknowledged: new Map(),
    })
    const id = `${request.callId} ${request.fromTag}`
    const first = this.#ways.get(id)
    const way = (request.toTag === '' ? first : this.#ways.get(`${id} ${request.toTag}`)) ?? {
      cseq: first?.cseq ?? 0,
      isOver: false,
    }
    this.#ways.set(request.toTag === '' ? id : `${id} ${request.toTag}`, way)
    if (request.cseq <= way.cseq) this.#breaks(`CSeq after ${way.cseq}`, request)
    way.cseq = Math.max(way.cseq, request.cseq)
    if (request.toTag !== '') this.#sendsInside(request, way)
    const description = descriptionOf(request)
    if (description !== '') this.#describes(request, id, description)
  }

  #sendsInside(request: WireMessage, way: Way): void {
    if (!this.#known.has(`${request.callId} ${request.toTag}`))
      this.#breaks('a dialog that nobody knows', request)
    if (request.method === 'BYE') way.isOver = true
    else if (way.isOver) this.#breaks('a request behind BYE', request)
    if (request.method !== 'INVITE') return
    const nowMs = this.#nowMs()
    for (const { request: other, final, link, atMs } of this.#sent.values()) {
      if (other === request || other.method !== 'INVITE' || final !== undefined || link.isClosed) continue
      // A peer that sits on an offer is asked again, and told that by then.
      if (nowMs - atMs > GIVEN_UP_MS) continue
      if (
        other.callId === request.callId &&
        other.fromTag === request.fromTag &&
        other.toTag === request.toTag
      )
        this.#breaks(`a second INVITE beside ${other.cseq}`, request)
    }
    for (const { request: other, final } of this.#asked.values()) {
      if (final !== undefined || other.method !== 'INVITE' || other.toTag === '') continue
      if (other.callId === request.callId && other.toTag === request.fromTag)
        this.#breaks(`an INVITE that collides with INVITE ${other.cseq} of the peer, which it knows`, request)
    }
  }

  #sendsAck(ack: WireMessage): void {
    for (const { request, unacknowledged } of this.#sent.values()) {
      if (request.method === 'INVITE' && request.callId === ack.callId && request.cseq === ack.cseq)
        unacknowledged.delete(ack.toTag)
    }
  }

  #sendsCancel(cancel: WireMessage): void {
    const invite = this.#sent.get(`${cancel.branch} INVITE`)
    if (invite === undefined) this.#breaks('a CANCEL of nothing', cancel)
    else if (!invite.hasProgress) this.#breaks('a CANCEL before a provisional response', cancel)
    if (invite === undefined) return
    invite.cancelledMs ??= this.#nowMs()
    if (invite.request.cseq !== cancel.cseq) this.#breaks('CSeq of CANCEL', cancel)
  }

  #receivesResponse(response: WireMessage): void {
    const sent = this.#sent.get(keyOf(response))
    if (sent === undefined) return
    this.#known.add(`${response.callId} ${response.toTag}`)
    const nowMs = this.#nowMs()
    // RFC 3261 §17.1.1.2, §13.2.2.4: by then nobody waits for it any more.
    const isWaitedFor = sent.hasProgress && sent.request.toTag === ''
    const waitsSinceMs = sent.finalMs ?? sent.cancelledMs ?? (isWaitedFor ? nowMs : sent.atMs)
    const isLate = nowMs - waitsSinceMs >= GIVEN_UP_MS
    if (isLate) return
    sent.hasProgress = true
    if (response.status < 200) return
    const isFirst = sent.final === undefined
    sent.final ??= response.status
    sent.finalMs ??= nowMs
    if (response.method === 'INVITE' && (response.status < 300 || isFirst))
      sent.unacknowledged.set(response.toTag, nowMs)
  }

  #describes(message: WireMessage, id: string, description: string): void {
    const before = this.#descriptions.get(id)
    const why = before === undefined ? undefined : brokenRedescription(before, description)
    if (why !== undefined) this.#breaks(`description: ${why}`, message)
    this.#descriptions.set(id, description)
  }

  #breaks(rule: string, message: WireMessage): void {
    this.broken.push(
      `${rule}: ${message.text.split('\r\n', 1)[0]} (CSeq ${message.cseq}, Call-ID ${message.callId})`,
    )
  }
}

const keyOf = ({ branch, method }: WireMessage): string => `${branch} ${method}`
