import { formatAddress } from './address.ts'
import { DeadlineTimer, earliest } from './deadline-timer.ts'
import { DtlsAssociation, type DtlsKeys, isHandshakeDatagram } from './dtls-association.ts'
import { MediaFailure } from './failure.ts'
import { fingerprintMismatch } from './fingerprint.ts'
import { IceLite, type IceOutput, type MediaPath } from './ice-lite.ts'
import type { LegHost } from './leg-host.ts'
import type { LegId } from './native/boundary.ts'
import type { SrtpSuite, WebrtcLocal, WebrtcRemote } from './parameters.ts'

/** How long a finished handshake can repeat its last flight for a peer that lost it. */
const DTLS_KEPT_MS = 60_000

/**
 * A browser leg: joins the ICE agent, the DTLS association and the relay's leg.
 *
 * checks -> 5-tuples admitted -> DTLS on them -> certificate matches the description -> SRTP keys into the relay.
 * All but the last works before the peer's description is here (RFC 5763 §6.2); the keys wait for it.
 *
 * A later description may restart ICE, which touches nothing else, or name another certificate, which means another
 * DTLS association (RFC 8842 §5): media goes on with the keys of the old one until the new one has its own.
 */
export class WebrtcLeg {
  readonly kind = 'webrtc'
  readonly id: LegId
  readonly #host: LegHost
  readonly #ice: IceLite
  readonly #timer: DeadlineTimer
  #local: WebrtcLocal
  #remote: WebrtcRemote | undefined
  #dtls: DtlsAssociation | undefined
  /** From here the handshake has `dtlsTimeoutMs`: checked, and the description known. */
  #handshakeFromMs: number | undefined
  #isConnected = false
  /** From the handshake until the description vouches for it. */
  #keys: DtlsKeys | undefined
  /** When they went to the relay; undefined while a handshake is to bring others. */
  #keyedMs: number | undefined
  /** Of the certificate that the handshake proved; undefined before. */
  #peerFingerprints: ReadonlyMap<string, string> | undefined
  /** Of the certificate that the keys in the relay belong to. */
  #keyedFingerprints: ReadonlyMap<string, string> | undefined
  #suite: SrtpSuite | undefined
  #hasEnded = false

  constructor(id: LegId, local: WebrtcLocal, host: LegHost) {
    this.id = id
    this.#local = local
    this.#host = host
    this.#ice = new IceLite({
      local: local.ice,
      checkTimeoutMs: host.timeouts.iceTimeoutMs,
      consentTimeoutMs: host.timeouts.consentTimeoutMs,
    })
    this.#timer = new DeadlineTimer(host.clock, () => this.#guard(() => this.#timeout()))
  }

  /** The same object until ICE restarts. */
  get local(): WebrtcLocal {
    return this.#local
  }

  get suite(): SrtpSuite | undefined {
    return this.#suite
  }

  /** The relay has keys, and so a path that DTLS went over. */
  get canSend(): boolean {
    return this.#suite !== undefined && !this.#hasEnded
  }

  /** DTLS sessions held: 0 or 1. */
  get dtlsSessions(): number {
    return this.#dtls === undefined ? 0 : 1
  }

  setRemote(remote: WebrtcRemote): void {
    this.#guard(() => {
      this.#remote = remote
      this.#run(this.#ice.handle({ kind: 'remote', credentials: remote.ice }, this.#now()))
      this.#chooseAssociation(remote)
      this.#beginHandshake()
      this.#judgeHandshake()
    })
  }

  /** A STUN datagram for a ufrag of ours. */
  onStun(bytes: Uint8Array, path: MediaPath): void {
    this.#guard(() => this.#run(this.#ice.handle({ kind: 'stun', bytes, path }, this.#now())))
  }

  /** A DTLS datagram from an admitted path. */
  onDtls(bytes: Uint8Array, path: MediaPath): void {
    this.#guard(() => {
      const dtls = this.#dtls ?? this.#answerHandshake(bytes, path)
      if (dtls === undefined) return
      const before = dtls.state
      dtls.feed(bytes, path, this.#now())
      if (before === 'connected') this.#watchConnected(dtls)
      else this.#judgeHandshake()
    })
  }

  close(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#timer.set(undefined)
    this.#wipeKeys()
    this.#dtls?.close()
    this.#dtls = undefined
  }

  #now(): number {
    return this.#host.clock.now()
  }

  /** The one way in: nothing runs after the end, an unexpected error ends this leg only, the timer follows. */
  #guard(step: () => void): void {
    if (this.#hasEnded) return
    try {
      step()
    } catch (cause) {
      this.#fail(new MediaFailure('media.internal', { cause }))
    }
    this.#timer.set(this.#deadlineMs())
  }

  #deadlineMs(): number | undefined {
    if (this.#hasEnded) return undefined
    return earliest(
      this.#ice.deadlineMs,
      this.#dtls?.deadlineMs,
      this.#handshakeDeadlineMs(),
      this.#retirementMs(),
    )
  }

  #retirementMs(): number | undefined {
    return this.#dtls === undefined || this.#keyedMs === undefined ? undefined : this.#keyedMs + DTLS_KEPT_MS
  }

  #handshakeDeadlineMs(): number | undefined {
    if (this.#keyedMs !== undefined || this.#handshakeFromMs === undefined) return undefined
    return this.#handshakeFromMs + this.#host.timeouts.dtlsTimeoutMs
  }

  #timeout(): void {
    const nowMs = this.#now()
    this.#run(this.#ice.handle({ kind: 'timeout' }, nowMs))
    if (this.#hasEnded) return
    if (nowMs >= (this.#retirementMs() ?? Number.POSITIVE_INFINITY)) this.#discardDtls()
    this.#dtls?.timeout(nowMs)
    this.#judgeHandshake()
    const deadlineMs = this.#handshakeDeadlineMs()
    if (!this.#hasEnded && deadlineMs !== undefined && nowMs >= deadlineMs)
      this.#fail(this.#handshakeTimeout())
  }

  #handshakeTimeout(): MediaFailure {
    const expected = `a handshake within ${this.#host.timeouts.dtlsTimeoutMs} ms`
    if (this.#dtls === undefined && this.#remote?.setup !== 'passive') {
      return new MediaFailure('dtls.no-client-hello', { expected })
    }
    const seen =
      this.#dtls === undefined ? 'no nominated path' : this.#dtls.hasHeard ? 'a part of it' : 'no answer'
    return new MediaFailure('dtls.handshake-timeout', { expected, seen })
  }

  #run(outputs: readonly IceOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          this.#send(output.path, output.bytes)
          break
        case 'ufrags':
          this.#host.relay.setUfrags(this.id, output.ufrags)
          if (this.#local.ice !== this.#ice.local) this.#local = { ...this.#local, ice: this.#ice.local }
          break
        case 'admit':
          this.#host.relay.admit(this.id, output.path.socket, output.path.remote, output.nominated)
          break
        case 'checked':
          this.#host.stage({ kind: 'ice-checked', remote: formatAddress(output.path.remote) })
          this.#beginHandshake()
          break
        case 'nominated':
          this.#beginHandshake()
          break
        case 'failed':
          this.#fail(output.failure)
          break
        case 'dropped':
          this.#host.count(output.reason)
          break
        default:
          output satisfies never
      }
    }
  }

  #discardDtls(): void {
    this.#dtls?.discard()
    this.#dtls = undefined
  }

  #send(path: MediaPath, datagram: Uint8Array): void {
    this.#host.relay.send(path.socket, path.remote, datagram)
  }

  /** Once there are keys: whether the description still means the association that they came from. */
  #chooseAssociation(remote: WebrtcRemote): void {
    const keyed = this.#keyedFingerprints
    if (keyed === undefined) return
    const isKeyed = fingerprintMismatch(remote.fingerprints, keyed) === undefined
    const isRenewing = this.#keyedMs === undefined
    if (isKeyed === !isRenewing) return
    // In silence: a close_notify would end what the peer may still return to.
    this.#discardDtls()
    this.#wipeKeys()
    this.#handshakeFromMs = undefined
    this.#isConnected = isKeyed
    this.#peerFingerprints = isKeyed ? keyed : undefined
    this.#keyedMs = isKeyed ? this.#now() : undefined
  }

  /** Starts the clock of the handshake, and our ClientHello where the peer wants us to be the client. */
  #beginHandshake(): void {
    if (this.#remote === undefined || !this.#ice.isChecked) return
    this.#handshakeFromMs ??= this.#now()
    if (this.#remote.setup !== 'passive' || this.#isConnected) return
    if (this.#dtls?.role === 'server') {
      // Somebody spoke as a client before the description said that the peer is the server.
      this.#discardDtls()
    }
    const path = this.#ice.nominated
    if (this.#dtls !== undefined || path === undefined) return
    this.#dtls = this.#openDtls('client', path)
    this.#dtls.start(this.#now())
  }

  /** The server's session is made by the first datagram that can be a ClientHello. */
  #answerHandshake(bytes: Uint8Array, path: MediaPath): DtlsAssociation | undefined {
    if (this.#isConnected || this.#remote?.setup === 'passive' || !isHandshakeDatagram(bytes)) {
      this.#host.count('dtls.unexpected')
      return undefined
    }
    this.#dtls = this.#openDtls('server', path)
    return this.#dtls
  }

  #openDtls(role: 'server' | 'client', path: MediaPath): DtlsAssociation {
    const session = this.#host.dtls.createSession(role)
    this.#host.stage({ kind: 'dtls-started' })
    return new DtlsAssociation(role, session, path, (to, datagram) => this.#send(to, datagram))
  }

  /** Follows the handshake to its end; the keys go to the relay only past the fingerprint. */
  #judgeHandshake(): void {
    const failure = this.#handshakeFailure() ?? this.#connect() ?? this.#mismatch()
    if (failure === undefined) this.#applyKeys()
    else this.#fail(failure)
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
    this.#host.stage({ kind: 'dtls-connected', suite: this.#keys.suite })
    return undefined
  }

  /** Looked at with each description: it may come after the handshake. */
  #mismatch(): MediaFailure | undefined {
    if (this.#remote === undefined || this.#peerFingerprints === undefined) return undefined
    const mismatch = fingerprintMismatch(this.#remote.fingerprints, this.#peerFingerprints)
    return mismatch === undefined ? undefined : new MediaFailure('dtls.fingerprint-mismatch', mismatch)
  }

  #applyKeys(): void {
    const keys = this.#keys
    if (this.#remote === undefined || keys === undefined) return
    this.#host.relay.setKeys(this.id, 'receive', { suite: keys.suite, keySalt: keys.receive })
    this.#host.relay.setKeys(this.id, 'send', { suite: keys.suite, keySalt: keys.send })
    this.#wipeKeys()
    this.#suite = keys.suite
    this.#keyedMs = this.#now()
    this.#keyedFingerprints = this.#peerFingerprints
    this.#host.stage({ kind: 'keys-ready' })
  }

  #wipeKeys(): void {
    this.#keys?.receive.fill(0)
    this.#keys?.send.fill(0)
    this.#keys = undefined
  }

  /** A peer connection that is closed says so here before BYE comes: worth a counter, not the call. */
  #watchConnected(dtls: DtlsAssociation): void {
    if (dtls.state === 'closed') this.#host.count('dtls.close-notify')
    if (dtls.state === 'failed') this.#host.count('dtls.alert-after-connect')
  }

  #fail(failure: MediaFailure): void {
    if (this.#hasEnded) return
    this.close()
    this.#host.fail(failure)
  }
}
