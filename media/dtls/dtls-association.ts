import { MediaFailure } from '../failure.ts'
import type { MediaPath } from '../ice/ice-lite.ts'
import type { DtlsSession } from '../native/boundary.ts'
import { FINGERPRINT_HASHES, type SrtpSuite } from '../parameters.ts'
import { type ClientHello, isClientHello, parseClientHello } from './client-hello.ts'
import { describeAlert } from './dtls-alert.ts'

/** Keys of RFC 5764 §4.2 in the order of `NativeKey`. The receiver of this value wipes it. */
export interface DtlsKeys {
  readonly suite: SrtpSuite
  readonly receive: Uint8Array
  readonly send: Uint8Array
}

/** A DTLS record of the handshake starts with 22 (RFC 6347 §4.1). */
const HANDSHAKE = 22

/** The one reason of a failed session that is not OpenSSL's. */
const NO_COMMON_PROFILE = 'no common SRTP profile'

/** True for what a handshake can start with; alerts and garbage are no reason to make a session. */
export function isHandshakeDatagram(datagram: Uint8Array): boolean {
  return datagram[0] === HANDSHAKE
}

/**
 * One DTLS session with the path it speaks on. Its caller gives the time, calls `timeout` at `deadlineMs`, and looks
 * at `state` after each call. Replies go where the newest datagram came from, retransmissions likewise.
 */
export class DtlsAssociation {
  readonly role: 'server' | 'client'
  readonly #session: DtlsSession
  readonly #send: (path: MediaPath, datagram: Uint8Array) => void
  #path: MediaPath
  #deadlineMs: number | undefined
  #hasHeard = false
  /** Anything beside ClientHello came: the peer has our flight, or a part of it. */
  #hasMoved = false
  #hello: ClientHello | undefined

  constructor(
    role: 'server' | 'client',
    session: DtlsSession,
    path: MediaPath,
    send: (path: MediaPath, datagram: Uint8Array) => void,
  ) {
    this.role = role
    this.#session = session
    this.#path = path
    this.#send = send
  }

  get state(): DtlsSession['state'] {
    return this.#session.state
  }

  /** When a retransmission is due. */
  get deadlineMs(): number | undefined {
    return this.#deadlineMs
  }

  /** Whether anything came from the peer. */
  get hasHeard(): boolean {
    return this.#hasHeard
  }

  /** The peer has not shown that anything of ours reached it. */
  get isUnanswered(): boolean {
    return !this.#hasMoved
  }

  /** What is sent from now on goes there, until the peer is heard from elsewhere. */
  redirect(path: MediaPath): void {
    this.#path = path
  }

  /** Client role: sends the ClientHello. */
  start(nowMs: number): void {
    this.#session.start()
    this.#flush(nowMs)
  }

  feed(datagram: Uint8Array, path: MediaPath, nowMs: number): void {
    this.#path = path
    this.#hasHeard = true
    if (this.role === 'server' && isClientHello(datagram)) this.#hello ??= parseClientHello(datagram)
    else this.#hasMoved = true
    this.#session.feed(datagram)
    this.#flush(nowMs)
  }

  timeout(nowMs: number): void {
    if (this.#deadlineMs === undefined || nowMs < this.#deadlineMs) return
    this.#session.timeout()
    this.#flush(nowMs)
  }

  /** The peer certificate's fingerprint by hash name. */
  peerFingerprints(): ReadonlyMap<string, string> {
    const entries = FINGERPRINT_HASHES.map(([hash]) => [hash, this.#session.peerFingerprint(hash)] as const)
    return new Map(entries.flatMap(([hash, value]) => (value === undefined ? [] : [[hash, value]])))
  }

  keys(): DtlsKeys | undefined {
    return this.#session.keys()
  }

  /** Why `state` is `failed`. */
  failure(): MediaFailure {
    const failure = this.#session.failure
    if (failure?.alert !== undefined)
      return new MediaFailure('dtls.alert', { seen: describeAlert(failure.alert) })
    if (failure?.reason === NO_COMMON_PROFILE) return new MediaFailure('dtls.no-common-profile')
    const disagreement = failure === undefined ? undefined : disagreementOf(failure.reason, this.#hello)
    if (disagreement !== undefined) return disagreement
    return new MediaFailure('dtls.handshake-failed', { seen: failure?.reason ?? 'no reason' })
  }

  /** Says goodbye to the peer and frees the session. */
  close(): void {
    this.#session.close()
    for (const datagram of this.#session.take()) this.#send(this.#path, datagram)
    this.#deadlineMs = undefined
  }

  /** Frees the session without a word: the peer's own association stays as it is. */
  discard(): void {
    this.#session.close()
    this.#session.take()
    this.#deadlineMs = undefined
  }

  #flush(nowMs: number): void {
    for (const datagram of this.#session.take()) this.#send(this.#path, datagram)
    const waitMs = this.#session.timeoutInMs
    // At least 1 ms: two clocks of which one has just passed the time must not make a busy loop.
    this.#deadlineMs = waitMs === undefined ? undefined : nowMs + Math.max(1, waitMs)
  }
}

/** Those of `native/src/dtls.cc`. */
const OUR_GROUPS: ReadonlyMap<number, string> = new Map([
  [29, 'X25519'],
  [23, 'P-256'],
  [24, 'P-384'],
])

/**
 * What both sides could not agree on, by OpenSSL's reason; undefined: it is something else. OpenSSL says `no shared cipher` for
 * a group that is missing too, because every cipher we have needs one: the ClientHello tells.
 */
function disagreementOf(reason: string, hello: ClientHello | undefined): MediaFailure | undefined {
  if (/unsupported protocol|wrong version|version too low|unknown protocol/i.test(reason)) {
    const seen = (hello?.versions ?? [hello?.version ?? 0]).map((version) => `0x${version.toString(16)}`)
    return new MediaFailure('dtls.no-common-version', { expected: 'DTLS 1.2 (0xfefd)', seen: seen.join(' ') })
  }
  if (!/no shared cipher|no suitable|no shared group/i.test(reason)) return undefined
  const groups = hello?.groups
  if (groups !== undefined && !groups.some((group) => OUR_GROUPS.has(group))) {
    return new MediaFailure('dtls.no-common-group', {
      expected: [...OUR_GROUPS.values()].join(' '),
      seen: groups.map((group) => `0x${group.toString(16)}`).join(' '),
    })
  }
  const ciphers = hello?.ciphers.map((cipher) => `0x${cipher.toString(16)}`).join(' ')
  return new MediaFailure('dtls.no-common-cipher', { seen: ciphers ?? reason })
}
