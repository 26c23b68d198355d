import type { Header, NameAddr, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { formatNameAddr } from '../../sip/message/name-addr.ts'
import { TokenBucket } from '../../sip/token-bucket.ts'
import type { Identity } from './identity.ts'
import type { Side } from './side.ts'

/** A PBX changes who is on the line when somebody transfers or picks up; each change costs a browser a request. */
const CHANGES_PER_SECOND = 0.2
export const CHANGE_BURST = 10

/** Of one side. */
const MAX_HIDDEN = 16

export interface IntroductionsOptions {
  readonly nowMs: () => number
  /** Who the peer of a side says is there now; undefined: it says nothing new, or may not be believed. */
  readonly said: (side: Side, message: SipRequest | SipResponse) => Identity | undefined
  /** Who is at a side, as a browser is shown it. */
  readonly shown: (side: Side) => NameAddr
  readonly run: (step: () => void) => void
  /** Has what a side holds already offered to it again. */
  readonly refresh: (side: Side) => void
}

/**
 * Who is on the line where that has changed since the INVITE said so: a PBX has connected somebody else, or a transfer here has.
 * Browsers are told by P-Asserted-Identity (RFC 3325), and in From where they know that it may change (RFC 4916). A trunk is not:
 * whom it knows us for is who has been proven when the call began.
 */
export class Introductions {
  readonly #options: IntroductionsOptions
  readonly #rate: TokenBucket
  /** Sides at which somebody else is than the other side knows from its INVITE. */
  readonly #changed = new WeakSet<Side>()
  /** The name that a side was told last. */
  readonly #told = new WeakMap<Side, string>()
  /** Sides that have not answered yet whom they were told. */
  readonly #busy = new WeakSet<Side>()

  constructor(options: IntroductionsOptions) {
    this.#options = options
    this.#rate = new TokenBucket(CHANGES_PER_SECOND, CHANGE_BURST, options.nowMs())
  }

  /** True: by this message of its peer somebody else is at the side now. One past the rate is passed over, and may be said again. */
  heed(side: Side, message: SipRequest | SipResponse): boolean {
    const { said, nowMs } = this.#options
    remember(side)
    const identity = said(side, message)
    const isOther = identity !== undefined && !isShownAlike(identity, side.identity)
    if (isOther && !this.#rate.take(nowMs())) return false
    if (message.kind === 'request') side.from = message.from
    side.identity = identity ?? side.identity
    if (isOther) this.#changed.add(side)
    return isOther
  }

  /** A transfer has put this side in the place of another. */
  replaced(side: Side): void {
    this.#changed.add(side)
  }

  /** For what is sent to a side: who the other one is, where it must be told. */
  headers(side: Side, other: Side | undefined): readonly Header[] {
    const name = this.#nameFor(side, other)
    if (name === undefined) return []
    side.dialog?.rename(name)
    const value = formatNameAddr(name)
    this.#told.set(side, value)
    return [{ name: 'P-Asserted-Identity', value }]
  }

  /**
   * Tells a side who the other one is, unless it knows: without a description where it takes UPDATE. `other`: who that is by then, for
   * its answer may take a while. `headers`: of a request to it.
   */
  tell(side: Side, other: () => Side | undefined, headers: () => readonly Header[]): void {
    const { run, refresh } = this.#options
    const { dialog } = side
    const name = this.#nameFor(side, other())
    if (dialog === undefined || name === undefined || this.#busy.has(side)) return
    if (formatNameAddr(name) === this.#told.get(side)) return
    if (!dialog.takesUpdate || dialog.isAway) {
      refresh(side)
      return
    }
    this.#busy.add(side)
    dialog.request('UPDATE', { headers: headers() }, (answer) =>
      run(() => {
        this.#busy.delete(side)
        // A transfer may have taken it elsewhere, where others tell it.
        if (side.dialog !== dialog || other() === undefined) return
        if (typeof answer === 'string' || answer.status >= 300) refresh(side)
        // It may be somebody else by now.
        else this.tell(side, other, headers)
      }),
    )
  }

  #nameFor(side: Side, other: Side | undefined): NameAddr | undefined {
    if (other === undefined || !this.#changed.has(other) || side.leg.media.kind !== 'webrtc') return undefined
    return this.#options.shown(other)
  }
}

/** Whether who is there now may be shown, in case they come back when somebody else has been there. */
function remember(side: Side): void {
  const { identity } = side
  if (identity === undefined) return
  const others = side.hidden.filter((user) => user !== identity.user)
  side.hidden = identity.isPrivate ? [...others, identity.user].slice(-MAX_HIDDEN) : others
}

/** Whom nobody is to know looks like anybody else of that kind. */
const isShownAlike = (one: Identity, other: Identity | undefined): boolean =>
  one.isPrivate === other?.isPrivate &&
  (one.isPrivate || (one.user === other.user && one.displayName === other.displayName))
