import { randomBytes } from 'node:crypto'
import { earliest } from '../deadline-timer.ts'
import { MediaFailure } from '../failure.ts'
import type { MediaPath } from '../ice/ice-lite.ts'
import type { LegHost } from '../leg-host.ts'
import type { LegId } from '../native/boundary.ts'
import type { DtlsRemote, SrtpSuite } from '../parameters.ts'
import { DtlsAssociation, type DtlsKeys, isHandshakeDatagram } from './dtls-association.ts'
import { describeFlight } from './dtls-flight.ts'
import { fingerprintMismatch } from './fingerprint.ts'

/** How long a finished handshake can repeat its last flight for a peer that lost it. */
const DTLS_KEPT_MS = 60_000

/** What tells one association of a leg from another (RFC 8842 §4): another of these means another association. */
export interface DtlsDescription extends DtlsRemote {
  /** Where the peer is, when nothing like ICE tells; undefined while a description names no place. */
  readonly transport?: string | undefined
}

interface Identity {
  readonly fingerprints: ReadonlyMap<string, string>
  readonly tlsId: string | undefined
  readonly transport: string | undefined
  readonly ownTlsId: string
}

export interface DtlsKeyingOptions {
  readonly id: LegId
  readonly host: LegHost
  readonly send: (path: MediaPath, datagram: Uint8Array) => void
  /** The leg is lost. It closes what is here. */
  readonly fail: (failure: MediaFailure) => void
  /** What is known of a ClientHello that was not taken, when none was. */
  readonly missed?: (expected: string) => MediaFailure | undefined
  /** The peer need not shake hands before `expect`. */
  readonly isPatient?: boolean | undefined
}

/**
 * From a description and datagrams to the SRTP keys of one leg.
 *
 * A handshake may run before the description is here (RFC 5763 §6.2); its keys wait for it, and go to the relay only when
 * the certificate fits. A later description with another certificate, `tls-id` or transport means another association
 * (RFC 8842 §4): media goes on with the keys of the old one until the new one has its own, and the old description before
 * that takes it back. The leg owns the timer: it calls `timeout` at `deadlineMs`.
 */
export class DtlsKeying {
  readonly #options: DtlsKeyingOptions
  #tlsId = makeTlsId()
  #remote: DtlsDescription | undefined
  #dtls: DtlsAssociation | undefined
  /** From here the handshake has `dtlsTimeoutMs`: the peer can be reached, and the description is known. */
  #handshakeFromMs: number | undefined
  /** And not before this. Undefined while the peer need not act on our description yet. */
  #expectedMs: number | undefined
  /** A path is chosen: ICE has nominated one, or there is no ICE. */
  #hasPath = false
  #isConnected = false
  /** From the handshake until the description vouches for it. */
  #keys: DtlsKeys | undefined
  /** When they went to the relay; undefined while a handshake is to bring others. */
  #keyedMs: number | undefined
  /** Of the certificate that the handshake proved; undefined before. */
  #peerFingerprints: ReadonlyMap<string, string> | undefined
  /** Of the association that the keys in the relay belong to. */
  #keyed: Identity | undefined
  #suite: SrtpSuite | undefined
  #hasEnded = false

  constructor(options: DtlsKeyingOptions) {
    this.#options = options
    this.#expectedMs = options.isPatient ? undefined : 0
  }

  /** Our `a=tls-id`: another one with each association that a description asks for. */
  get tlsId(): string {
    return this.#tlsId
  }

  /** Of the keys in the relay. */
  get suite(): SrtpSuite | undefined {
    return this.#suite
  }

  /** DTLS sessions held: 0 or 1. */
  get sessions(): number {
    return this.#dtls === undefined ? 0 : 1
  }

  /** What is wrong as long as there have been no keys, although the peer can be reached. */
  get pending(): MediaFailure | undefined {
    const isWaiting = this.#suite === undefined && this.#handshakeFromMs !== undefined && !this.#hasEnded
    return isWaiting ? this.#unfinished('a handshake') : undefined
  }

  get deadlineMs(): number | undefined {
    return earliest(this.#dtls?.deadlineMs, this.#handshakeDeadlineMs(), this.#retirementMs())
  }

  /** What the peer's description says, the first or a later one. */
  describe(remote: DtlsDescription): void {
    this.#remote = remote
    this.#chooseAssociation(remote)
    this.#judge()
  }

  /** The peer must act on our description from now on. */
  expect(): void {
    this.#expectedMs ??= this.#now()
  }

  /** The peer can be reached: starts the clock of the handshake, and our ClientHello where we are the client. */
  begin(path: MediaPath | undefined): void {
    if (this.#remote === undefined || this.#hasEnded) return
    this.#handshakeFromMs ??= this.#now()
    this.#hasPath = path !== undefined
    if (this.#remote.setup !== 'passive' || this.#isConnected) return
    if (this.#dtls?.role === 'server') {
      // Somebody spoke as a client before the description said that the peer is the server.
      this.#discard()
    }
    if (path === undefined) return
    if (this.#dtls !== undefined) {
      // The path nominated first may not carry: what is sent again goes by the newest, until the peer shows by which it hears us.
      if (this.#dtls.role === 'client' && !this.#dtls.hasHeard) this.#dtls.redirect(path)
      return
    }
    this.#dtls = this.#open('client', path)
    this.#dtls.start(this.#now())
  }

  /** A datagram of a path that may speak for the peer. */
  feed(bytes: Uint8Array, path: MediaPath): void {
    if (this.#hasEnded) return
    const dtls = this.#dtls ?? this.#answer(bytes, path)
    if (dtls === undefined) return
    const before = dtls.state
    if (before === 'handshaking') this.#noteFlight('received', bytes)
    dtls.feed(bytes, path, this.#now())
    if (before === 'connected') this.#watchConnected(dtls)
    else this.#judge()
  }

  timeout(nowMs: number): void {
    if (this.#hasEnded) return
    if (nowMs >= (this.#retirementMs() ?? Infinity)) this.#discard()
    this.#dtls?.timeout(nowMs)
    this.#judge()
    const deadlineMs = this.#handshakeDeadlineMs()
    if (!this.#hasEnded && deadlineMs !== undefined && nowMs >= deadlineMs)
      this.#options.fail(
        this.#unfinished(`a handshake within ${this.#options.host.timeouts.dtlsTimeoutMs} ms`),
      )
  }

  /** Says goodbye to the peer. May be called twice. */
  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#wipeKeys()
    this.#dtls?.close()
    this.#dtls = undefined
  }

  #now(): number {
    return this.#options.host.clock.now()
  }

  #retirementMs(): number | undefined {
    return this.#dtls === undefined || this.#keyedMs === undefined ? undefined : this.#keyedMs + DTLS_KEPT_MS
  }

  #handshakeDeadlineMs(): number | undefined {
    const [fromMs, expectedMs] = [this.#handshakeFromMs, this.#expectedMs]
    if (this.#keyedMs !== undefined || fromMs === undefined || expectedMs === undefined) return undefined
    return Math.max(fromMs, expectedMs) + this.#options.host.timeouts.dtlsTimeoutMs
  }

  #unfinished(expected: string): MediaFailure {
    const dtls = this.#dtls
    if (dtls === undefined) {
      // Whichever of the two is the client waits for the path that the browser nominates.
      if (!this.#hasPath) {
        return new MediaFailure('ice.no-nomination', { expected, seen: 'checks without USE-CANDIDATE' })
      }
      return this.#options.missed?.(expected) ?? new MediaFailure('dtls.no-client-hello', { expected })
    }
    if (dtls.isUnanswered) {
      const seen = dtls.role === 'server' ? 'ClientHello again and again' : 'no answer'
      return new MediaFailure('dtls.flight-unanswered', { expected, seen })
    }
    return new MediaFailure('dtls.handshake-timeout', { expected, seen: 'a part of it' })
  }

  #discard(): void {
    this.#dtls?.discard()
    this.#dtls = undefined
  }

  /** Once there are keys: whether the description still means the association that they came from. */
  #chooseAssociation(remote: DtlsDescription): void {
    const keyed = this.#keyed
    if (keyed === undefined) return
    const isKeyed = isAssociation(remote, keyed)
    const isRenewing = this.#keyedMs === undefined
    if (isKeyed === !isRenewing) return
    // In silence: a close_notify would end what the peer may still return to.
    this.#discard()
    this.#wipeKeys()
    this.#tlsId = isKeyed ? keyed.ownTlsId : makeTlsId()
    this.#handshakeFromMs = undefined
    this.#isConnected = isKeyed
    this.#peerFingerprints = isKeyed ? keyed.fingerprints : undefined
    this.#keyedMs = isKeyed ? this.#now() : undefined
  }

  /** The server's session is made by the first datagram that can be a ClientHello. */
  #answer(bytes: Uint8Array, path: MediaPath): DtlsAssociation | undefined {
    if (this.#isConnected || this.#remote?.setup === 'passive' || !isHandshakeDatagram(bytes)) {
      this.#options.host.count('dtls.unexpected')
      return undefined
    }
    this.#dtls = this.#open('server', path)
    return this.#dtls
  }

  #open(role: 'server' | 'client', path: MediaPath): DtlsAssociation {
    const session = this.#options.host.dtls.createSession(role)
    this.#options.host.stage({ kind: 'dtls-started' })
    return new DtlsAssociation(role, session, path, (to, datagram) => {
      this.#noteFlight('sent', datagram)
      this.#options.send(to, datagram)
    })
  }

  #noteFlight(direction: 'received' | 'sent', datagram: Uint8Array): void {
    this.#options.host.note({ what: 'dtls-flight', direction, detail: describeFlight(datagram) })
  }

  /** Follows the handshake to its end; the keys go to the relay only past the fingerprint. */
  #judge(): void {
    const failure = this.#handshakeFailure() ?? this.#connect() ?? this.#mismatch()
    if (failure === undefined) this.#applyKeys()
    else this.#options.fail(failure)
  }

  #handshakeFailure(): MediaFailure | undefined {
    if (this.#dtls === undefined || this.#isConnected) return undefined
    if (this.#dtls.state === 'failed') return this.#dtls.failure()
    if (this.#dtls.state !== 'closed') return undefined
    return new MediaFailure('dtls.handshake-failed', { seen: 'the peer closed the association' })
  }

  #connect(): MediaFailure | undefined {
    const dtls = this.#dtls
    if (dtls?.state !== 'connected' || this.#isConnected) return undefined
    this.#isConnected = true
    this.#peerFingerprints = dtls.peerFingerprints()
    this.#keys = dtls.keys()
    if (this.#keys === undefined) return new MediaFailure('dtls.no-common-profile')
    this.#options.host.stage({ kind: 'dtls-connected', suite: this.#keys.suite })
    return undefined
  }

  /** Looked at with each description: it may come after the handshake. */
  #mismatch(): MediaFailure | undefined {
    if (this.#remote === undefined || this.#peerFingerprints === undefined) return undefined
    const mismatch = fingerprintMismatch(this.#remote.fingerprints, this.#peerFingerprints)
    return mismatch === undefined ? undefined : new MediaFailure('dtls.fingerprint-mismatch', mismatch)
  }

  #applyKeys(): void {
    const [keys, remote, fingerprints] = [this.#keys, this.#remote, this.#peerFingerprints]
    if (remote === undefined || keys === undefined || fingerprints === undefined) return
    const { id, host } = this.#options
    host.relay.setKeys(id, 'receive', { suite: keys.suite, keySalt: keys.receive })
    host.relay.setKeys(id, 'send', { suite: keys.suite, keySalt: keys.send })
    this.#wipeKeys()
    this.#suite = keys.suite
    this.#keyedMs = this.#now()
    const { tlsId, transport } = remote
    this.#keyed = { fingerprints, tlsId, transport, ownTlsId: this.#tlsId }
    host.stage({ kind: 'keys-ready' })
  }

  #wipeKeys(): void {
    this.#keys?.receive.fill(0)
    this.#keys?.send.fill(0)
    this.#keys = undefined
  }

  /** A peer connection that is closed says so here before BYE comes: worth a counter, not the call. */
  #watchConnected(dtls: DtlsAssociation): void {
    if (dtls.state === 'closed') this.#options.host.count('dtls.close-notify')
    if (dtls.state === 'failed') this.#options.host.count('dtls.alert-after-connect')
  }
}

/** What one of the two does not say is no difference. */
function isAssociation(remote: DtlsDescription, keyed: Identity): boolean {
  const isSame = (one: string | undefined, other: string | undefined) =>
    one === undefined || other === undefined || one === other
  return (
    fingerprintMismatch(remote.fingerprints, keyed.fingerprints) === undefined &&
    isSame(remote.tlsId, keyed.tlsId) &&
    isSame(remote.transport, keyed.transport)
  )
}

/** RFC 8842 §4: 20 to 255 characters that say nothing. */
function makeTlsId(): string {
  return randomBytes(15).toString('hex')
}
