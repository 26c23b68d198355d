import { randomBytes } from 'node:crypto'
import { MediaFailure } from './failure.ts'
import type { Machine } from './machine.ts'
import type { IceCredentials, TransportAddress } from './parameters.ts'
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
  /** A datagram from `path` whose USERNAME starts with our ufrag. */
  | { readonly kind: 'stun'; readonly bytes: Uint8Array; readonly path: MediaPath }
  /** The peer's description is known. The time allowed for the first check runs from here. */
  | { readonly kind: 'remote'; readonly credentials: IceCredentials }
  | { readonly kind: 'timeout' }

export type IceOutput =
  | { readonly kind: 'send'; readonly path: MediaPath; readonly bytes: Buffer }
  /** An authenticated check came along `path`; said for each one, so that the relay can tell live paths from dead ones. */
  | { readonly kind: 'admit'; readonly path: MediaPath; readonly nominated: boolean }
  /** The first authenticated check. */
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
}

/** Error responses to unauthenticated checks per leg: enough for a browser that is being debugged, no use to a flood. */
const ERRORS_PER_SECOND = 5
const ERRORS_BURST = 10

/** 72 and 144 random bits in ice-chars (RFC 8839 §5.4): far above the 24 and 128 of RFC 8445 §5.3. */
export function makeIceCredentials(): IceCredentials {
  return { ufrag: randomBytes(9).toString('base64'), pwd: randomBytes(18).toString('base64') }
}

/**
 * The ICE-lite agent of one leg (RFC 8445 §2.5): always controlled, never sends a check of its own, ignores the
 * peer's candidates and learns its addresses from authenticated checks. A check may come before the peer's
 * description does (§7.3): our password alone proves that its sender has ours.
 */
export class IceLite implements Machine<IceInput, IceOutput> {
  readonly #options: IceLiteOptions
  readonly #errors = new TokenBucket(ERRORS_PER_SECOND, ERRORS_BURST)
  #remote: IceCredentials | undefined
  #remoteSetMs: number | undefined
  #lastCheckMs: number | undefined
  #refused: IceDrop | undefined
  #nominated: MediaPath | undefined
  #hasFailed = false

  constructor(options: IceLiteOptions) {
    this.#options = options
  }

  /** The path nominated last; undefined before the first nomination. */
  get nominated(): MediaPath | undefined {
    return this.#nominated
  }

  get isChecked(): boolean {
    return this.#lastCheckMs !== undefined
  }

  get deadlineMs(): number | undefined {
    if (this.#hasFailed) return undefined
    if (this.#lastCheckMs !== undefined) return this.#lastCheckMs + this.#options.consentTimeoutMs
    if (this.#remoteSetMs !== undefined) return this.#remoteSetMs + this.#options.checkTimeoutMs
    return undefined
  }

  handle(input: IceInput, nowMs: number): readonly IceOutput[] {
    if (this.#hasFailed) return []
    switch (input.kind) {
      case 'stun':
        return this.#check(input.bytes, input.path, nowMs)
      case 'remote':
        this.#remote = input.credentials
        this.#remoteSetMs ??= nowMs
        return []
      case 'timeout':
        return this.#timeout(nowMs)
      default:
        return input satisfies never
    }
  }

  #check(bytes: Uint8Array, path: MediaPath, nowMs: number): readonly IceOutput[] {
    const message = parseStun(bytes)
    // RFC 8489 §6.3: a wrong FINGERPRINT means that this is not STUN.
    if (message === undefined || message.fingerprint === 'wrong') return [drop('stun.malformed')]
    if (message.class === 'indication' && message.method === 1) return [] // keep-alive, RFC 8445 §11
    if (message.class !== 'request' || message.method !== 1) return [drop('stun.not-a-request')]

    const refusal = this.#authenticate(message)
    if (refusal !== undefined) {
      this.#refused = refusal
      if (!this.#errors.take(nowMs)) return [drop(refusal)]
      const code = refusal === 'stun.missing-integrity' ? 400 : 401
      return [
        drop(refusal),
        { kind: 'send', path, bytes: bindingError(message.transactionId, code, undefined) },
      ]
    }
    const { pwd } = this.#options.local
    if (message.unknown.length > 0) {
      const response = bindingError(message.transactionId, 420, pwd, message.unknown)
      return [drop('stun.unknown-attribute'), { kind: 'send', path, bytes: response }]
    }
    // RFC 8445 §7.3.1.1: both sides think they are controlled; a lite agent stays so.
    if (message.attributes.has(STUN_ATTRIBUTE.iceControlled)) {
      const response = bindingError(message.transactionId, 487, pwd)
      return [drop('stun.role-conflict'), { kind: 'send', path, bytes: response }]
    }
    return this.#accept(message, path, nowMs)
  }

  /** Why the request is not from our peer; undefined when it is. RFC 8489 §9.1.3. */
  #authenticate(message: StunMessage): IceDrop | undefined {
    const username = stunUsername(message)
    if (username === undefined || message.integrity === 'absent') return 'stun.missing-integrity'
    const { ufrag, pwd } = this.#options.local
    const isOurs =
      this.#remote === undefined
        ? username.startsWith(`${ufrag}:`)
        : username === `${ufrag}:${this.#remote.ufrag}`
    if (!isOurs) return 'stun.wrong-username'
    return verifyIntegrity(message, pwd) ? undefined : 'stun.bad-integrity'
  }

  #accept(message: StunMessage, path: MediaPath, nowMs: number): readonly IceOutput[] {
    const nominated = message.attributes.has(STUN_ATTRIBUTE.useCandidate)
    const response = bindingSuccess(message.transactionId, path.remote, this.#options.local.pwd)
    const outputs: IceOutput[] = [
      { kind: 'send', path, bytes: response },
      { kind: 'admit', path, nominated },
    ]
    if (this.#lastCheckMs === undefined) outputs.push({ kind: 'checked', path })
    this.#lastCheckMs = nowMs
    if (nominated && !isSamePath(path, this.#nominated)) {
      this.#nominated = path
      outputs.push({ kind: 'nominated', path })
    }
    return outputs
  }

  #timeout(nowMs: number): readonly IceOutput[] {
    const deadlineMs = this.deadlineMs
    if (deadlineMs === undefined || nowMs < deadlineMs) return []
    this.#hasFailed = true
    return [{ kind: 'failed', failure: this.#verdict() }]
  }

  #verdict(): MediaFailure {
    const { checkTimeoutMs, consentTimeoutMs } = this.#options
    if (this.#lastCheckMs !== undefined) {
      return new MediaFailure('ice.consent-lost', { expected: `a check every ${consentTimeoutMs} ms` })
    }
    if (this.#refused !== undefined) return new MediaFailure('ice.bad-integrity', { seen: this.#refused })
    return new MediaFailure('ice.no-check-seen', { expected: `a check within ${checkTimeoutMs} ms` })
  }
}

function drop(reason: IceDrop): IceOutput {
  return { kind: 'dropped', reason }
}

function isSamePath(path: MediaPath, other: MediaPath | undefined): boolean {
  return (
    path.socket === other?.socket &&
    path.remote.port === other.remote.port &&
    path.remote.address === other.remote.address
  )
}
