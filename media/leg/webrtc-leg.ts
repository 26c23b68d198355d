import { formatAddress } from '../address.ts'
import { earliest } from '../deadline-timer.ts'
import { DtlsKeying } from '../dtls/dtls-keying.ts'
import type { MediaFailure } from '../failure.ts'
import { IceLite, type IceOutput, type MediaPath } from '../ice/ice-lite.ts'
import type { LegHost } from '../leg-host.ts'
import type { LegId } from '../native/boundary.ts'
import type { SrtpSuite, WebrtcLocal, WebrtcRemote } from '../parameters.ts'
import { LegGuard } from './leg-guard.ts'

/**
 * A browser leg: joins the ICE agent, the DTLS association and the relay's leg.
 *
 * checks -> 5-tuples admitted -> DTLS on them -> certificate matches the description -> SRTP keys into the relay.
 * All but the last works before the peer's description is here. A later description may restart ICE, which touches nothing
 * else.
 */
export class WebrtcLeg {
  readonly kind = 'webrtc'
  readonly id: LegId
  readonly #host: LegHost
  readonly #ice: IceLite
  readonly #keying: DtlsKeying
  readonly #guard: LegGuard
  #local: WebrtcLocal
  #refused: string | undefined

  constructor(id: LegId, local: WebrtcLocal, host: LegHost, isPatient?: boolean) {
    this.id = id
    this.#host = host
    this.#ice = new IceLite({
      local: local.ice,
      checkTimeoutMs: host.timeouts.iceTimeoutMs,
      consentTimeoutMs: host.timeouts.consentTimeoutMs,
      places: local.candidates.map(formatAddress),
      isPatient,
    })
    this.#keying = new DtlsKeying({
      id,
      host,
      send: (path, datagram) => this.#send(path, datagram),
      fail: (failure) => this.#guard.fail(failure),
      isPatient,
    })
    this.#local = { ...local, tlsId: this.#keying.tlsId }
    this.#guard = new LegGuard({
      host,
      deadlineMs: () => earliest(this.#ice.deadlineMs, this.#keying.deadlineMs),
      onDeadline: () => this.#timeout(),
      onEnd: () => this.#keying.close(),
    })
  }

  /** The same object until ICE restarts or another association begins. */
  get local(): WebrtcLocal {
    return this.#local
  }

  get suite(): SrtpSuite | undefined {
    return this.#keying.suite
  }

  /** The relay has keys, and so a path that DTLS went over. */
  get canSend(): boolean {
    return this.suite !== undefined && !this.#guard.hasEnded
  }

  /** As `SessionStats.pending`. */
  get pending(): MediaFailure | undefined {
    return this.#ice.pending ?? this.#keying.pending
  }

  /** DTLS sessions held: 0 or 1. */
  get dtlsSessions(): number {
    return this.#keying.sessions
  }

  setRemote(remote: WebrtcRemote): void {
    this.#guard.run(() => {
      this.#run(this.#ice.handle({ kind: 'remote', credentials: remote.ice }, this.#host.clock.now()))
      this.#keying.describe(remote)
      if (this.#local.tlsId !== this.#keying.tlsId)
        this.#local = { ...this.#local, tlsId: this.#keying.tlsId }
      this.#beginHandshake()
    })
  }

  /** The call is answered. */
  expectMedia(): void {
    this.#guard.run(() => {
      this.#run(this.#ice.handle({ kind: 'expected' }, this.#host.clock.now()))
      this.#keying.expect()
    })
  }

  /** A STUN datagram for a ufrag of ours. */
  onStun(bytes: Uint8Array, path: MediaPath): void {
    this.#guard.run(() => this.#run(this.#ice.handle({ kind: 'stun', bytes, path }, this.#host.clock.now())))
  }

  /** A DTLS datagram from an admitted path. */
  onDtls(bytes: Uint8Array, path: MediaPath): void {
    this.#guard.run(() => this.#keying.feed(bytes, path))
  }

  close(): void {
    this.#guard.close()
  }

  #timeout(): void {
    const nowMs = this.#host.clock.now()
    this.#run(this.#ice.handle({ kind: 'timeout' }, nowMs))
    this.#keying.timeout(nowMs)
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
          this.#host.note({ what: 'ice-nominated', detail: formatAddress(output.path.remote) })
          this.#beginHandshake()
          break
        case 'failed':
          this.#guard.fail(output.failure)
          break
        case 'dropped':
          this.#host.count(output.reason)
          this.#noteRefusal(output.reason)
          break
        default:
          output satisfies never
      }
    }
  }

  /** Once for each reason in a row: a browser repeats its checks many times a second. */
  #noteRefusal(reason: string): void {
    if (reason === this.#refused) return
    this.#refused = reason
    this.#host.note({ what: 'ice-refused', direction: 'received', detail: reason })
  }

  #send(path: MediaPath, datagram: Uint8Array): void {
    this.#host.relay.send(path.socket, path.remote, datagram)
  }

  #beginHandshake(): void {
    if (this.#ice.isChecked) this.#keying.begin(this.#ice.nominated)
  }
}
