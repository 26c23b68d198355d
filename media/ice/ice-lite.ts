import { randomBytes } from 'node:crypto'
import { type MediaCode, MediaFailure } from '../failure.ts'
import type { Machine } from '../machine.ts'
import type { IceCredentials, TransportAddress } from '../parameters.ts'
import {
  bindingError,
  bindingSuccess,
  parseStun,
  STUN_ATTRIBUTE,
  type StunMessage,
  stunUsername,
  verifyIntegrity,
} from './stun.ts'
import { TokenBucket } from './token-bucket.ts'

/** A 5-tuple: our mux socket and the peer's address. */
export interface MediaPath {
  readonly socket: number
  readonly remote: TransportAddress
}

export type IceInput =
  /** A datagram from `path` whose USERNAME starts with a ufrag of ours. */
  | { readonly kind: 'stun'; readonly bytes: Uint8Array; readonly path: MediaPath }
  /**
   * What the peer's description says. The time allowed for the first check runs from the first one. Another ufrag or
   * password later is an ICE restart: `local` is new afterwards, and the time for a check with it runs from here.
   */
  | { readonly kind: 'remote'; readonly credentials: IceCredentials }
  /** The peer must act on our description from now on: the time for its first check does not run before. */
  | { readonly kind: 'expected' }
  | { readonly kind: 'timeout' }

export type IceOutput =
  /** By which ufrags of ours the peer's checks are known from now on: one, or two during a restart. */
  | { readonly kind: 'ufrags'; readonly ufrags: readonly string[] }
  | { readonly kind: 'send'; readonly path: MediaPath; readonly bytes: Buffer }
  /** An authenticated check came along `path`; said for each one, so that the relay can tell live paths from dead ones. */
  | { readonly kind: 'admit'; readonly path: MediaPath; readonly nominated: boolean }
  /** The first authenticated check, and the first after a restart. */
  | { readonly kind: 'checked'; readonly path: MediaPath }
  /** The peer nominated a path which is not the one it nominated last. */
  | { readonly kind: 'nominated'; readonly path: MediaPath }
  | { readonly kind: 'failed'; readonly failure: MediaFailure }
  | { readonly kind: 'dropped'; readonly reason: IceDrop }

export type IceDrop =
  | 'stun.malformed'
  | 'stun.not-a-request'
  | 'stun.missing-integrity'
  | 'stun.wrong-username'
  | 'stun.bad-integrity'
  | 'stun.unknown-attribute'
  | 'stun.role-conflict'

export interface IceLiteOptions {
  readonly local: IceCredentials
  /** From `remote` to the first authenticated check. */
  readonly checkTimeoutMs: number
  /** RFC 7675: longest silence of authenticated checks. */
  readonly consentTimeoutMs: number
  /** Where our description has the peer check, for messages. */
  readonly places?: readonly string[]
  /** The peer need not check before `expected`. */
  readonly isPatient?: boolean | undefined
}

/** Credentials of both sides as they belong together, and what came of them. */
interface Generation {
  readonly local: IceCredentials
  remote: IceCredentials | undefined
  isChecked: boolean
  nominated: MediaPath | undefined
}

/** Error responses to unauthenticated checks per leg: enough for a browser that is being debugged, no use to a flood. */
const ERRORS_PER_SECOND = 5
const ERRORS_BURST = 10

/** A timeout that comes so late was held up with everything else: checks of that time are lost, or have yet to be read. */
const LATE_MS = 500
/** What a peer has then to check once more: it does so every 4 to 6 seconds (RFC 7675 §5.1). */
const AFTER_STANDSTILL_MS = 7_000

/** 72 and 144 random bits in ice-chars (RFC 8839 §5.4): far above the 24 and 128 of RFC 8445 §5.3. */
export function makeIceCredentials(): IceCredentials {
  return { ufrag: randomBytes(9).toString('base64'), pwd: randomBytes(18).toString('base64') }
}

/**
 * The ICE-lite agent of one leg (RFC 8445 §2.5): always controlled, never sends a check of its own, ignores the
 * peer's candidates and learns its addresses from authenticated checks. A check may come before the peer's
 * description does (§7.3): our password alone proves that its sender has ours.
 *
 * During an ICE restart (RFC 8445 §9) checks with the credentials before it are as good as those with the new ones,
 * which keep consent; the first one with the new ones ends that.
 */
export class IceLite implements Machine<IceInput, IceOutput> {
  readonly #options: IceLiteOptions
  readonly #errors = new TokenBucket(ERRORS_PER_SECOND, ERRORS_BURST)
  #current: Generation
  /** Before the restart; undefined unless one is under way. */
  #previous: Generation | undefined
  #describedMs: number | undefined
  /** Undefined while the peer need not check yet. */
  #expectedMs: number | undefined
  #lastCheckMs: number | undefined
  /** Why the last check was dropped; of what is no check only while there has been none. */
  #dropped: IceDrop | undefined
  #hasFailed = false
  /** Until when nothing fails, after a standstill of ours. */
  #sparedMs = Number.NEGATIVE_INFINITY

  constructor(options: IceLiteOptions) {
    this.#options = options
    this.#current = { local: options.local, remote: undefined, isChecked: false, nominated: undefined }
    this.#expectedMs = options.isPatient ? undefined : 0
  }

  /** Those for our description. */
  get local(): IceCredentials {
    return this.#current.local
  }

  /** The path that the peer, as described last, nominated last. */
  get nominated(): MediaPath | undefined {
    return this.#current.nominated
  }

  /** Whether the peer, as described last, has checked. */
  get isChecked(): boolean {
    return this.#current.isChecked
  }

  /** What is wrong as long as the peer, which has been described, has never checked. */
  get pending(): MediaFailure | undefined {
    const isWaiting = this.#describedMs !== undefined && this.#lastCheckMs === undefined && !this.#hasFailed
    return isWaiting ? this.#unchecked() : undefined
  }

  get deadlineMs(): number | undefined {
    const deadlineMs = this.#hasFailed ? undefined : this.#silentDeadlineMs()
    return deadlineMs === undefined ? undefined : Math.max(deadlineMs, this.#sparedMs)
  }

  #silentDeadlineMs(): number | undefined {
    const checkMs = this.#checkDeadlineMs()
    if (this.#lastCheckMs === undefined) return checkMs
    const consentMs = this.#lastCheckMs + this.#options.consentTimeoutMs
    // A peer that restarts may have been cut off for a while: it gets the time of a new one.
    return this.#previous === undefined ? consentMs : Math.max(consentMs, checkMs ?? 0)
  }

  handle(input: IceInput, nowMs: number): readonly IceOutput[] {
    if (this.#hasFailed) return []
    switch (input.kind) {
      case 'stun':
        return this.#check(input.bytes, input.path, nowMs)
      case 'remote':
        return this.#describe(input.credentials, nowMs)
      case 'expected':
        this.#expectedMs ??= nowMs
        return []
      case 'timeout':
        return this.#timeout(nowMs)
      default:
        return input satisfies never
    }
  }

  #checkDeadlineMs(): number | undefined {
    if (this.#describedMs === undefined || this.#expectedMs === undefined) return undefined
    return Math.max(this.#describedMs, this.#expectedMs) + this.#options.checkTimeoutMs
  }

  #describe(remote: IceCredentials, nowMs: number): readonly IceOutput[] {
    const known = this.#current.remote
    if (known === undefined) {
      this.#current.remote = remote
      this.#describedMs = nowMs
      return []
    }
    if (isSame(remote, known)) return []
    if (this.#previous?.remote !== undefined && isSame(remote, this.#previous.remote)) {
      // The restart was given up (its offer was refused on the way), so our credentials are the old ones too.
      this.#current = this.#previous
      return this.#endRestart()
    }
    // A second restart before a check with the first one's credentials: those were never in use.
    this.#previous ??= this.#current
    this.#current = { local: makeIceCredentials(), remote, isChecked: false, nominated: undefined }
    this.#describedMs = nowMs
    return [{ kind: 'ufrags', ufrags: [this.#current.local.ufrag, this.#previous.local.ufrag] }]
  }

  #endRestart(): readonly IceOutput[] {
    this.#previous = undefined
    return [{ kind: 'ufrags', ufrags: [this.#current.local.ufrag] }]
  }

  #check(bytes: Uint8Array, path: MediaPath, nowMs: number): readonly IceOutput[] {
    const message = parseStun(bytes)
    // RFC 8489 §6.3: a wrong FINGERPRINT means that this is not STUN.
    if (message === undefined || message.fingerprint === 'wrong') return [this.#drop('stun.malformed')]
    if (message.class === 'indication' && message.method === 1) return [] // keep-alive, RFC 8445 §11
    if (message.class !== 'request' || message.method !== 1) return [this.#drop('stun.not-a-request')]

    const generation = this.#authenticate(message)
    if (typeof generation === 'string') return this.#refuse(generation, message, path, nowMs)
    const { pwd } = generation.local
    if (message.unknown.length > 0) {
      const response = bindingError(message.transactionId, 420, pwd, message.unknown)
      return [this.#drop('stun.unknown-attribute'), { kind: 'send', path, bytes: response }]
    }
    // RFC 8445 §7.3.1.1: both sides think they are controlled; a lite agent stays so.
    if (message.attributes.has(STUN_ATTRIBUTE.iceControlled)) {
      const response = bindingError(message.transactionId, 487, pwd)
      return [this.#drop('stun.role-conflict'), { kind: 'send', path, bytes: response }]
    }
    return this.#accept(message, path, generation, nowMs)
  }

  /** The credentials the request was made with, or why it is not from our peer. RFC 8489 §9.1.3. */
  #authenticate(message: StunMessage): Generation | IceDrop {
    const username = stunUsername(message)
    if (username === undefined || message.integrity === 'absent') return 'stun.missing-integrity'
    const generation = [this.#current, this.#previous].find((one) => this.#isNamed(username, one))
    if (generation === undefined) return 'stun.wrong-username'
    return verifyIntegrity(message, generation.local.pwd) ? generation : 'stun.bad-integrity'
  }

  /** A peer that restarted in an answer of its own has nothing new of ours to go with its new ufrag. */
  #isNamed(username: string, generation: Generation | undefined): boolean {
    if (generation === undefined) return false
    const { local, remote } = generation
    if (remote === undefined) return username.startsWith(`${local.ufrag}:`)
    return [remote, this.#current.remote].some((one) => username === `${local.ufrag}:${one?.ufrag}`)
  }

  #refuse(refusal: IceDrop, message: StunMessage, path: MediaPath, nowMs: number): readonly IceOutput[] {
    const dropped = this.#drop(refusal)
    if (!this.#errors.take(nowMs)) return [dropped]
    const code = refusal === 'stun.missing-integrity' ? 400 : 401
    return [dropped, { kind: 'send', path, bytes: bindingError(message.transactionId, code, undefined) }]
  }

  #drop(reason: IceDrop): IceOutput {
    if (this.#dropped === undefined || reason in CODE_OF_REFUSAL) this.#dropped = reason
    return { kind: 'dropped', reason }
  }

  #accept(
    message: StunMessage,
    path: MediaPath,
    generation: Generation,
    nowMs: number,
  ): readonly IceOutput[] {
    const nominated = message.attributes.has(STUN_ATTRIBUTE.useCandidate)
    const response = bindingSuccess(message.transactionId, path.remote, generation.local.pwd)
    const outputs: IceOutput[] = [
      // Before `admit`, which then counts as the new generation's.
      ...(this.#previous !== undefined && generation === this.#current ? this.#endRestart() : []),
      { kind: 'send', path, bytes: response },
      { kind: 'admit', path, nominated },
    ]
    const isDescribed = stunUsername(message)?.endsWith(`:${this.#current.remote?.ufrag}`)
    const owner = isDescribed ? this.#current : generation
    if (!owner.isChecked) outputs.push({ kind: 'checked', path })
    owner.isChecked = true
    this.#lastCheckMs = nowMs
    if (nominated && !isSamePath(path, owner.nominated)) {
      owner.nominated = path
      outputs.push({ kind: 'nominated', path })
    }
    return outputs
  }

  #timeout(nowMs: number): readonly IceOutput[] {
    const deadlineMs = this.deadlineMs
    if (deadlineMs === undefined || nowMs < deadlineMs) return []
    if (nowMs - deadlineMs > LATE_MS) {
      this.#sparedMs = nowMs + AFTER_STANDSTILL_MS
      return []
    }
    this.#hasFailed = true
    return [{ kind: 'failed', failure: this.#verdict() }]
  }

  #expectedUsername(): string {
    const { local, remote } = this.#current
    return `USERNAME ${local.ufrag}:${remote?.ufrag ?? ''}`
  }

  #verdict(): MediaFailure {
    const { checkTimeoutMs, consentTimeoutMs } = this.#options
    if (this.#lastCheckMs !== undefined) {
      return new MediaFailure('ice.consent-lost', { expected: `a check every ${consentTimeoutMs} ms` })
    }
    return this.#unchecked(` within ${checkTimeoutMs} ms`)
  }

  /** Why there has been no check. */
  #unchecked(within = ''): MediaFailure {
    const { places = [] } = this.#options
    const expected = `a check${places.length === 0 ? '' : ` at ${places.join(' or ')}`}${within}`
    const seen = this.#dropped
    const code = seen === undefined ? undefined : CODE_OF_REFUSAL[seen]
    if (code === 'ice.stale-ufrag') return new MediaFailure(code, { expected: this.#expectedUsername() })
    if (seen === undefined) return new MediaFailure('ice.no-check-seen', { expected })
    return new MediaFailure(code ?? 'ice.no-check-seen', { expected, seen })
  }
}

/** What it means that checks were dropped for this, when none was taken. */
const CODE_OF_REFUSAL: Readonly<Partial<Record<IceDrop, MediaCode>>> = {
  'stun.wrong-username': 'ice.stale-ufrag',
  'stun.missing-integrity': 'ice.bad-integrity',
  'stun.bad-integrity': 'ice.bad-integrity',
  'stun.unknown-attribute': 'ice.check-refused',
  'stun.role-conflict': 'ice.check-refused',
}

function isSame(one: IceCredentials, other: IceCredentials): boolean {
  return one.ufrag === other.ufrag && one.pwd === other.pwd
}

function isSamePath(path: MediaPath, other: MediaPath | undefined): boolean {
  return (
    path.socket === other?.socket &&
    path.remote.port === other.remote.port &&
    path.remote.address === other.remote.address
  )
}
