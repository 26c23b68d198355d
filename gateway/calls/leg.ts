import type { LegName, LegParameters, MediaSession } from '../../media/engine.ts'
import type {
  Codec,
  Direction,
  KeyFormat,
  KeyPress,
  LocalTransport,
  RemoteTransport,
  SdesKey,
} from '../../media/parameters.ts'
import { isUnspecified } from '../../sdp/address.ts'
import { answerCrypto, createAnswer, readAnswer } from '../../sdp/answer.ts'
import { allowedCodecs, isAudio, isSameCodec, offerableCodecs, STANDARD_CODECS } from '../../sdp/codecs.ts'
import { receives, sends, toDirection } from '../../sdp/direction.ts'
import { SdpFailure } from '../../sdp/failure.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import type { Answer, MediaSlots, Offer, SentOffer } from '../../sdp/session.ts'
import { answerSetup } from '../../sdp/setup.ts'
import type { TrunkTerms } from '../../sdp/trunk-terms.ts'
import type { TrunkMedia } from '../trunks/trunk-media.ts'
import { CodecMemory } from './codec-memory.ts'
import { type KeyWay, keptPtimeMs, keysOn, keyWayOf, type RouteEnd, routeBetween } from './leg-route.ts'

/** How media looks on one leg. */
export type LegMedia =
  | { readonly kind: 'webrtc'; readonly codecs: readonly string[] }
  | ({
      readonly kind: 'rtp'
      /** Bound by the media plane. */
      readonly localAddress: string
      /** Stands in the description instead of `localAddress` (1:1 NAT). */
      readonly announced: string | undefined
      readonly ports: 'per-call' | 'shared'
    } & TrunkMedia)

/** What we want of a leg, given by the leg on the other side. */
export interface Wish {
  readonly direction: Direction
  readonly codecs: readonly Codec[]
  readonly ptimeMs: number | undefined
}

/** Is told what goes over a leg, for the call's history. */
export interface LegObserver {
  described(direction: 'received' | 'sent', text: string): void
  /** Both sides have agreed; `codec`: the one that both prefer. */
  agreed(codec: string | undefined): void
  /** What the peer described cannot be used. */
  failed(error: unknown): void
  /** Something of what it described cannot be used, and the call goes on without. */
  impaired(error: SdpFailure): void
}

/** What the peer's latest description says. */
interface Remote {
  readonly codecs: readonly Codec[]
  readonly direction: Direction
  readonly ptimeMs: number | undefined
}

/**
 * One leg's media and the descriptions on both its sides: `o=` line, codecs in our and the peer's payload types, direction,
 * m-line slots, DTLS role. It knows no SIP; offers and answers are text in and out, and what they say goes to the engine.
 */
export class Leg {
  readonly media: LegMedia
  observer: LegObserver | undefined
  #name: LegName
  #session: MediaSession
  readonly #sessionId: string
  #local: LocalTransport
  /** The port in our last description. */
  #toldPort: number | undefined
  #version = 0
  /** Last description of ours, without its o= line, and with it. */
  #last: { readonly content: string; readonly text: string } | undefined
  #own: readonly Codec[] = []
  readonly #memory = new CodecMemory()
  #isReopened = false
  #remote: Remote | undefined
  #slots: MediaSlots | undefined
  #sent: SentOffer | undefined
  /** The wish in our last description: a later one that says the same needs no new offer. */
  #told: Wish | undefined
  /** What it had been told before an offer of ours that has no answer yet. */
  #before: { readonly told: Wish | undefined; readonly port: number | undefined } | undefined
  #firstDirection: Direction | undefined
  #role: 'active' | 'passive' | undefined
  /** Null before anybody was to be heard. */
  #silenceLimitS: number | undefined | null = null

  /** `isPatient`: its peer need not act on what it is told before `watch`. */
  static async open(
    session: MediaSession,
    name: LegName,
    media: LegMedia,
    sessionId: string,
    isPatient: boolean,
  ): Promise<Leg> {
    const local = await session.addLeg(name, { ...parametersOf(media), isPatient })
    return new Leg(session, name, media, sessionId, local)
  }

  private constructor(
    session: MediaSession,
    name: LegName,
    media: LegMedia,
    sessionId: string,
    local: LocalTransport,
  ) {
    this.#name = name
    this.media = media
    this.#session = session
    this.#sessionId = sessionId
    this.#local = announce(local, media)
  }

  get name(): LegName {
    return this.#name
  }

  /** Codecs that both sides have agreed on, in our payload types; empty before. */
  get codecs(): readonly Codec[] {
    return this.#own
  }

  /** What may be offered to the peer again, and what it would take at once; both in our payload types. */
  get memory(): Pick<CodecMemory, 'known' | 'willing'> {
    return this.#memory
  }

  /**
   * The other leg has agreed on codecs that are not agreed here: until the peer says anew what it takes, it may be offered
   * whatever it is willing to.
   */
  reopen(): void {
    this.#isReopened = true
  }

  get isReopened(): boolean {
    return this.#isReopened
  }

  /** Whether the peer has described its side. */
  get isAgreed(): boolean {
    return this.#remote !== undefined
  }

  /**
   * What the peer itself wants, `sendrecv` before it said. Its answer to a hold of ours says nothing about what we did
   * not offer: there it wants what it wanted before.
   */
  get direction(): Direction {
    return this.#remote?.direction ?? 'sendrecv'
  }

  get ptimeMs(): number | undefined {
    return this.#remote?.ptimeMs
  }

  /** What the peer wanted when it first described its side. */
  get firstDirection(): Direction {
    return this.#firstDirection ?? 'sendrecv'
  }

  /** What our last description asks the peer to put into a packet. */
  get toldPtimeMs(): number | undefined {
    return this.#told?.ptimeMs
  }

  /** Checks an offer of the peer; of a trunk it has the codecs of that, in its order. Throws SdpFailure; nothing has changed then. */
  read(body: Uint8Array): Offer {
    return this.#received(body, () => {
      const offer = readOffer(body, this.media.kind, termsOf(this.media), this.#slots)
      if (this.media.kind === 'webrtc') return offer
      return { ...offer, codecs: allowedCodecs(offer.codecs, this.media.codecs) }
    })
  }

  /** Takes the offer and makes its answer. The peer sees the same text again when nothing has changed. */
  async answer(offer: Offer, wish: Wish): Promise<string> {
    this.#slots = offer
    const own = this.#local.kind === 'rtp' ? answerCrypto(offer, this.#local) : undefined
    const agreed = new Set(wish.codecs.map((codec) => codec.payloadType))
    this.#remote = { ...offer, codecs: offer.codecs.filter((codec) => agreed.has(codec.payloadType)) }
    this.#own = wish.codecs
    this.#memory.offered(offer.codecs)
    this.#isReopened = false
    this.#before = undefined
    this.#told = wish
    await this.#apply(offer.transport, own)
    const text = this.#write((version) =>
      createAnswer({
        offer,
        local: this.#local,
        codecs: wish.codecs,
        origin: { sessionId: this.#sessionId, version },
        direction: wish.direction,
        ptimeMs: this.#ptimeFor(wish),
        crypto: own,
        currentRole: this.#role,
      }),
    )
    if (offer.isAudioElsewhere) this.observer?.impaired(new SdpFailure('sdp.audio-elsewhere'))
    this.#agreed()
    return text
  }

  /** What may be offered here of these, while nothing has been agreed. Throws `sdp.no-common-codec`. */
  offerable(codecs: readonly Codec[] = STANDARD_CODECS): readonly Codec[] {
    return offerableCodecs(codecs, this.media.codecs, keysOn(this.media))
  }

  /** An offer of ours; its answer goes to `take`, and `refused` says that there is none. */
  offer(wish: Wish): string {
    this.#before ??= { told: this.#told, port: this.#toldPort }
    this.#told = wish
    let sent: SentOffer | undefined
    const text = this.#write((version) => {
      const made = createOffer({
        local: this.#local,
        codecs: wish.codecs,
        origin: { sessionId: this.#sessionId, version },
        direction: wish.direction,
        ptimeMs: this.#ptimeFor(wish),
        slots: this.#slots,
        terms: termsOf(this.media),
      })
      sent = made.sent
      return made.text
    })
    this.#sent = sent
    return text
  }

  /** Takes the answer to our last offer. Throws SdpFailure. */
  async take(body: Uint8Array): Promise<Answer> {
    if (this.#sent === undefined) throw new Error(`an answer without an offer on the ${this.#name} leg`)
    const sent = this.#sent
    const answer = this.#received(body, () => readAnswer(body, sent))
    const offered = this.#told?.direction ?? 'sendrecv'
    const direction = toDirection(
      sends(receives(offered) ? answer.direction : this.direction),
      receives(sends(offered) ? answer.direction : this.direction),
    )
    this.#own = sent.codecs.filter((codec) => answer.codecs.some((other) => isSameCodec(codec, other)))
    this.#memory.answered(sent.codecs, this.#own)
    this.#isReopened = false
    this.#before = undefined
    this.#remote = { ...answer, direction }
    if (this.#told !== undefined) this.#told = { ...this.#told, codecs: this.#own }
    await this.#apply(answer.transport, answer.localCrypto)
    this.#agreed()
    return answer
  }

  /** The peer has not taken our last offer: what it was told before that holds (RFC 3261 §14.1). */
  refused(): void {
    if (this.#before === undefined) return
    this.#told = this.#before.told
    this.#toldPort = this.#before.port
    this.#before = undefined
  }

  /** Whether the peer has been told this wish already, in an offer or an answer. */
  isTold(wish: Wish): boolean {
    return !this.hasMoved && this.#told !== undefined && signature(this.#told) === signature(wish)
  }

  /** Whether the peer has been told another port than we have now. */
  get hasMoved(): boolean {
    return this.#toldPort !== portOf(this.#local)
  }

  /** The media plane has moved it by itself. */
  moved(local: LocalTransport): void {
    this.#local = announce(local, this.media)
  }

  /** What becomes of the packets this leg receives: to `other`, as far as both peers want it. */
  async feed(other: Leg): Promise<void> {
    const isWanted = sends(this.direction) && receives(other.direction)
    await this.#session.setRoute(
      this.#name,
      isWanted ? routeBetween(this.#end, other.#end) : { kind: 'discard' },
    )
  }

  /** How the peer takes key presses, now. */
  get keyWay(): KeyWay {
    return keyWayOf(this.media, this.#remote?.codecs ?? [])
  }

  /** Presses a key towards the peer, in its media. */
  press(key: KeyPress, format: KeyFormat): void {
    // Only our own mistake makes it reject; the call's media is closed with the call, and then nobody listens.
    this.#session.press(this.#name, key, format).catch(() => undefined)
  }

  /** The call is answered. The peer must be heard at least this often; undefined: it need not. The same again starts nothing anew. */
  async watch(silenceLimitS: number | undefined): Promise<void> {
    if (silenceLimitS === this.#silenceLimitS) return
    this.#silenceLimitS = silenceLimitS
    await this.#session.watch(this.#name, silenceLimitS)
  }

  get #end(): RouteEnd {
    const { codecs = [], ptimeMs } = this.#remote ?? {}
    return { name: this.#name, media: this.media, own: this.#own, remote: codecs, ptimeMs }
  }

  /** What we ask of the peer: the packets that its trunk insists on, else those that the other leg likes. */
  #ptimeFor(wish: Wish): number | undefined {
    return (this.media.kind === 'rtp' ? this.media.ptimeMs : undefined) ?? keptPtimeMs(wish.ptimeMs)
  }

  /** Into the session of another call, with sockets, keys and all. Nothing has moved when it rejects. */
  async move(to: MediaSession, as: LegName): Promise<void> {
    await to.adopt(this.#session, this.#name, as)
    this.#session = to
    this.#name = as
  }

  async close(): Promise<void> {
    await this.#session.removeLeg(this.#name)
  }

  async #apply(remote: RemoteTransport, own: SdesKey | undefined): Promise<void> {
    const dtls = remote.kind === 'webrtc' ? remote : remote.dtls
    if (dtls !== undefined) this.#role = answerSetup(dtls.setup, this.#role)
    if (remote.kind === 'rtp' && isUnspecified(remote.rtp.address)) {
      // Hold by 0.0.0.0: the direction says what it means, and there is nowhere to send.
      return
    }
    // An ICE restart gives us new credentials (RFC 8839 §4.4), a remote that another call has new ports.
    const decided = withSetup(remote, this.#role === 'active' ? 'passive' : 'active')
    this.#local = announce(await this.#session.setRemote(this.#name, decided, own), this.media)
  }

  /** RFC 3264 §8: the version goes up with each change, and only then. */
  #write(make: (version: number) => string): string {
    const text = make(this.#version + 1)
    this.#toldPort = portOf(this.#local)
    const content = text.replace(/^o=.*$/m, '')
    if (this.#last?.content !== content) {
      this.#version += 1
      this.#last = { content, text }
    }
    this.observer?.described('sent', this.#last.text)
    return this.#last.text
  }

  #received<Read>(body: Uint8Array, read: () => Read): Read {
    this.observer?.described('received', Buffer.from(body).toString())
    try {
      return read()
    } catch (error) {
      this.observer?.failed(error)
      throw error
    }
  }

  #agreed(): void {
    this.#firstDirection ??= this.direction
    this.observer?.agreed(this.#own.find(isAudio)?.name)
  }
}

const signature = ({ direction, codecs }: Pick<Wish, 'direction' | 'codecs'>): string =>
  [direction, ...codecs.filter(isAudio).map(({ name, clockRateHz }) => `${name}/${clockRateHz}`)].join(' ')

const portOf = (local: LocalTransport): number | undefined =>
  local.kind === 'rtp' ? local.rtp.port : undefined

const termsOf = (media: LegMedia): Partial<TrunkTerms> => (media.kind === 'rtp' ? media : {})

function parametersOf(media: LegMedia): LegParameters {
  if (media.kind === 'webrtc') return { kind: 'webrtc' }
  const { localAddress, suites, keying, ports } = media
  return { kind: 'rtp', localAddress, suites, keying: ENGINE_KEYING[keying], ports }
}

const ENGINE_KEYING = {
  none: 'required',
  sdes: 'required',
  osrtp: 'optional',
  'osrtp-required': 'required',
  dtls: 'dtls',
} as const

/** The media plane is told who begins, not who might. */
function withSetup(remote: RemoteTransport, setup: 'active' | 'passive'): RemoteTransport {
  if (remote.kind === 'webrtc') return { ...remote, setup }
  return remote.dtls === undefined ? remote : { ...remote, dtls: { ...remote.dtls, setup } }
}

function announce(local: LocalTransport, media: LegMedia): LocalTransport {
  if (local.kind !== 'rtp' || media.kind !== 'rtp' || media.announced === undefined) return local
  return { ...local, rtp: { ...local.rtp, address: media.announced } }
}
