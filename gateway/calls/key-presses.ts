import type { DtmfWay } from '../../config/trunk-profiles.ts'
import type { KeyPress } from '../../media/parameters.ts'
import type { Header, SipResponse } from '../../sip/message/message.ts'
import { TokenBucket } from '../../sip/token-bucket.ts'
import type { Body, IncomingRequest, NoAnswer } from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import { refusalHeaders } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import { dtmfInfo, readDtmfInfo } from './dtmf-info.ts'
import type { Side } from './side.ts'

/** Keys that one side may press by INFO: as fast as they can be played, with a number dialled at once before. */
const PER_SECOND = 6
const BURST = 32
/** Presses that wait for the answers to those before them. */
const MAX_WAITING = 32

/** `side`: whose peer has pressed it wrongly, or does not take it. */
type KeysLost = (side: Side, error: unknown) => void

const refusedKey = (answer: SipResponse | NoAnswer): GatewayFailure =>
  new GatewayFailure('dtmf.refused', {
    expected: '200 to INFO',
    seen: typeof answer === 'string' ? answer : `${answer.status} ${answer.reason}`,
  })

/** One side as far as key presses go. */
interface Keyboard {
  readonly bucket: TokenBucket
  /** INFO bodies to be sent: one after the other, since only answers keep their order. */
  readonly waiting: Body[]
  isSending: boolean
}

/**
 * Key presses from one side of a call to the other where signalling has a part in it. From media to media the relay does
 * it alone.
 */
export class KeyPresses {
  readonly #keyboards = new WeakMap<Side, Keyboard>()
  readonly #nowMs: () => number
  readonly #headers: readonly Header[]
  readonly #onLost: KeysLost

  /** `headers`: of each answer and request; `onLost`: a key that does not arrive. */
  constructor(nowMs: () => number, headers: readonly Header[], onLost: KeysLost) {
    this.#nowMs = nowMs
    this.#headers = headers
    this.#onLost = onLost
  }

  /**
   * Takes an INFO of `from` that presses a key, and answers it. False: it is none, or the other side is a browser (or no
   * one), whose program reads INFO and nothing else.
   */
  takeInfo(from: Side, to: Side | undefined, incoming: IncomingRequest): boolean {
    if (to === undefined || to.leg.media.kind === 'webrtc') return false
    try {
      const key = readDtmfInfo(incoming.request)
      if (key === undefined) return false
      if (!this.#keyboardOf(from).bucket.take(this.#nowMs())) throw new GatewayFailure('dtmf.too-many')
      this.#press(to, key)
      incoming.respond(200, { headers: this.#headers })
    } catch (error) {
      const verdict = verdictOf(error)
      this.#onLost(from, error)
      incoming.respond(verdict.status, { headers: refusalHeaders(verdict) })
    }
    return true
  }

  /** A key that was pressed in the media of a side whose other side takes INFO. */
  onHeard(to: Side | undefined, key: KeyPress): void {
    if (to === undefined) return
    const { keyWay } = to.leg
    if (keyWay.kind === 'info') this.#ask(to, key, keyWay.way)
  }

  #press(to: Side, key: KeyPress): void {
    const { keyWay } = to.leg
    if (keyWay.kind === 'media') to.leg.press(key, keyWay.format)
    else this.#ask(to, key, keyWay.way)
  }

  #ask(to: Side, key: KeyPress, way: Exclude<DtmfWay, 'rfc4733'>): void {
    const body = dtmfInfo(key, way)
    const keyboard = this.#keyboardOf(to)
    if (body === undefined || keyboard.waiting.length >= MAX_WAITING) return
    keyboard.waiting.push(body)
    this.#sendNext(to, keyboard)
  }

  #sendNext(to: Side, keyboard: Keyboard): void {
    const { dialog } = to
    if (keyboard.isSending || dialog === undefined || dialog.state === 'ended') return
    const body = keyboard.waiting.shift()
    if (body === undefined) return
    keyboard.isSending = true
    dialog.request('INFO', { headers: this.#headers, body }, (answer) => {
      keyboard.isSending = false
      const isTaken = typeof answer === 'object' && answer.status < 300
      // A call that has ended takes no keys, and nothing is wrong with it.
      if (!isTaken && dialog.state !== 'ended') this.#onLost(to, refusedKey(answer))
      this.#sendNext(to, keyboard)
    })
  }

  #keyboardOf(side: Side): Keyboard {
    const known = this.#keyboards.get(side)
    if (known !== undefined) return known
    const bucket = new TokenBucket(PER_SECOND, BURST, this.#nowMs())
    const made: Keyboard = { bucket, waiting: [], isSending: false }
    this.#keyboards.set(side, made)
    return made
  }
}
