import { AssertionError } from 'node:assert'
import type { Direction, LocalTransport } from '../../../media/parameters.ts'
import { createAnswer } from '../../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../../sdp/offer.ts'
import type { Header, SipResponse } from '../../../sip/message/message.ts'
import type {
  Body,
  DialogHandler,
  IncomingInvite,
  IncomingReinvite,
  IncomingRequest,
  InviteDialog,
  NoAnswer,
  OutgoingInvite,
} from '../../../sip/user-agent.ts'
import { sdp } from '../scripted-calls.ts'
import type { Peer } from '../scripted-gateway.ts'

/** How a peer answers an offer in mid-call. */
export type Manner =
  | 'accepts'
  | 'waits'
  | 'no body'
  | 'garbage'
  | { readonly status: number; readonly headers: readonly Header[] }

/** What a peer has of a call: an INVITE of either direction, then a dialog. */
export class SimLeg {
  readonly label: string
  /** The one that holds it now: a browser that comes back is another. */
  readonly peer: Peer
  readonly isCaller: boolean
  readonly local: LocalTransport
  readonly isEmergency: boolean
  callId = ''
  sinceMs = 0
  outgoing: OutgoingInvite | undefined
  incoming: IncomingInvite | undefined
  dialog: InviteDialog | undefined
  final: SipResponse | NoAnswer | undefined
  hasCancelled = false
  hasHungUp = false
  hasRung = false
  /** It began on a connection that nobody had registered by: whoever comes back by another one cannot prove to be the same. */
  isUnproven = false
  /** What it offered cannot be used. */
  isOdd = false
  isOver = false
  /** Of what is not answered yet: it does not wait for it any more. */
  hasGivenUp = false
  manner: Manner = 'accepts'
  direction: Direction = 'sendrecv'
  /** Whether it answers requests inside the dialog. */
  isDeaf = false
  /** How the 2xx to its INVITE is acknowledged: at once, by a later step, or never. */
  acknowledges: 'at once' | 'later' | 'never' = 'at once'
  acknowledge: (() => void) | undefined
  readonly offers: IncomingReinvite[] = []
  readonly handler: DialogHandler
  #version = 0
  /** Whether an offer of its own waits. */
  isOffering = false

  constructor(options: {
    readonly label: string
    readonly peer: Peer
    readonly isCaller: boolean
    readonly local: LocalTransport
    readonly isEmergency?: boolean
  }) {
    const { label, peer, isCaller, local, isEmergency = false } = options
    this.label = label
    this.peer = peer
    this.isCaller = isCaller
    this.local = local
    this.isEmergency = isEmergency
    this.handler = {
      onEnd: () => {
        this.isOver = true
      },
      onAck: () => {},
      onReinvite: (reinvite) => this.#onReinvite(reinvite),
      onRefreshDue: () => {},
      onRequest: (request) => this.#onRequest(request),
    }
  }

  get state(): 'calling' | 'ringing' | 'talking' | 'over' {
    if (this.isOver) return 'over'
    if (this.dialog !== undefined) return this.dialog.state === 'ended' ? 'over' : 'talking'
    if (this.hasGivenUp) return 'over'
    return this.isCaller ? 'calling' : 'ringing'
  }

  offer(direction: Direction, codecs = STANDARD_CODECS): Body {
    this.#version += 1
    const origin = { sessionId: '1', version: this.#version }
    return sdp(createOffer({ local: this.local, codecs, origin, direction }).text)
  }

  /** What it says to an offer, of which it takes one codec or all. */
  answer(body: Uint8Array, direction: Direction, isNarrow = false): Body {
    const offer = readOffer(body, this.local.kind)
    const all = answerableCodecs(offer, offer.codecs)
    const codecs = isNarrow ? all.filter(({ name }, index) => index === 0 || name === 'telephone-event') : all
    this.#version += 1
    const origin = { sessionId: '1', version: this.#version }
    return sdp(createAnswer({ offer, local: this.local, codecs, origin, direction }))
  }

  /** Ends the waiting of offers of the gateway. */
  settleOffers(): boolean {
    const [offer] = this.offers.splice(0, 1)
    if (offer === undefined) return false
    this.#accept(offer)
    return true
  }

  #onReinvite(reinvite: IncomingReinvite): void {
    const { manner } = this
    if (manner === 'accepts') this.#accept(reinvite)
    else if (manner === 'waits') this.offers.push(reinvite)
    else if (manner === 'no body') reinvite.accept({})
    else if (manner === 'garbage') reinvite.accept({ body: sdp('v=0\r\nnonsense') })
    else reinvite.reject(manner.status, { headers: manner.headers })
  }

  #accept(reinvite: IncomingReinvite): void {
    const { body } = reinvite.request
    if (body.length === 0) reinvite.accept({ body: this.offer(this.direction) })
    else reinvite.accept({ body: this.answer(body, this.direction) })
  }

  #onRequest(request: IncomingRequest): void {
    if (!this.isDeaf) request.respond(200)
  }
}

/** A peer is not to do what its own side of the protocol forbids: an INVITE was cancelled, a re-INVITE is under way. */
export function isPossible(action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    return false
  }
}
