import { formatAddress, placeKey } from '../address.ts'
import { DtlsKeying } from '../dtls/dtls-keying.ts'
import { MediaFailure } from '../failure.ts'
import type { MediaPath } from '../ice/ice-lite.ts'
import type { LegHost } from '../leg-host.ts'
import type { LegId } from '../native/boundary.ts'
import type { Fingerprint, RtpLocal, RtpRemote, SrtpSuite, TransportAddress } from '../parameters.ts'
import { LegGuard } from './leg-guard.ts'
import { isReachable } from './rtp-leg.ts'

/** Handshake datagrams kept until the description says whose they are: a ClientHello in pieces, and one repetition. */
const MAX_EARLY = 8

/**
 * A trunk leg whose keys come of a DTLS handshake on its RTP port (RFC 5763), without ICE. What makes a datagram the peer's is
 * that it comes from the address of its description, so there is no learning of another one; RTCP is muxed.
 */
export class DtlsRtpLeg {
  readonly kind = 'rtp'
  readonly id: LegId
  readonly #host: LegHost
  readonly #keying: DtlsKeying
  readonly #guard: LegGuard
  #local: RtpLocal
  /** The last place that a description named, and whether it still does. */
  #peer: TransportAddress | undefined
  #isHeld = true
  /** Of DTLS, from before the description, and from where that does not say. */
  #strays = 0
  /** From before the description. */
  #early: { readonly bytes: Uint8Array; readonly remote: TransportAddress }[] = []

  constructor(id: LegId, local: RtpLocal, fingerprint: Fingerprint, host: LegHost, isPatient?: boolean) {
    this.id = id
    this.#host = host
    this.#keying = new DtlsKeying({
      id,
      host,
      send: (_, datagram) => host.relay.sendDtls(id, datagram),
      fail: (failure) => this.#guard.fail(failure),
      missed: (expected) => this.#missed(expected),
      isPatient,
    })
    this.#local = { ...local, dtls: { fingerprint, tlsId: this.#keying.tlsId } }
    this.#guard = new LegGuard({
      host,
      deadlineMs: () => this.#keying.deadlineMs,
      onDeadline: () => this.#keying.timeout(host.clock.now()),
      onEnd: () => {
        this.#early = []
        this.#keying.close()
      },
    })
  }

  /** The same object until another association begins. */
  get local(): RtpLocal {
    return this.#local
  }

  get suite(): SrtpSuite | undefined {
    return this.#keying.suite
  }

  get canSend(): boolean {
    return this.suite !== undefined && !this.#isHeld && !this.#guard.hasEnded
  }

  /** As `SessionStats.pending`. */
  get pending(): MediaFailure | undefined {
    return this.#keying.pending
  }

  /** DTLS sessions held: 0 or 1. */
  get dtlsSessions(): number {
    return this.#keying.sessions
  }

  setRemote({ rtp, rtcp, dtls }: RtpRemote): void {
    if (dtls === undefined || rtcp !== undefined) {
      throw new MediaFailure('media.wrong-leg', {
        expected: 'a fingerprint, and RTCP on the port of RTP',
        seen: dtls === undefined ? 'no fingerprint' : 'RTCP on another port',
      })
    }
    this.#guard.run(() => {
      const target = isReachable(rtp) ? rtp : undefined
      this.#aim(target)
      this.#keying.describe({ ...dtls, transport: target === undefined ? undefined : placeKey(target) })
      this.#noteTlsId()
      if (target === undefined) return
      this.#keying.begin({ socket: 0, remote: target })
      this.#takeEarly(target)
    })
  }

  /** The call is answered. */
  expectMedia(): void {
    this.#guard.run(() => this.#keying.expect())
  }

  /** A DTLS datagram: from the target, or from anywhere while there has been none. */
  onDtls(bytes: Uint8Array, path: MediaPath): void {
    this.#guard.run(() => {
      if (this.#peer !== undefined) this.#keying.feed(bytes, path)
      else if (this.#early.length < MAX_EARLY) this.#early.push({ bytes: bytes.slice(), remote: path.remote })
      else this.#host.count('dtls.unexpected')
    })
  }

  close(): void {
    this.#guard.close()
  }

  #aim(target: TransportAddress | undefined): void {
    const isHeld = target === undefined
    const isSame = isHeld || (this.#peer !== undefined && placeKey(this.#peer) === placeKey(target))
    if (isSame && isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    this.#peer = target ?? this.#peer
    const remote = isHeld ? undefined : { rtp: target, rtcp: undefined, latchMs: 0 }
    this.#host.relay.setRemote(this.id, remote)
  }

  #noteTlsId(): void {
    const { dtls } = this.#local
    const { tlsId } = this.#keying
    if (dtls !== undefined && dtls.tlsId !== tlsId) this.#local = { ...this.#local, dtls: { ...dtls, tlsId } }
  }

  /** What came before the description, as far as it came from where that says. */
  #takeEarly(target: TransportAddress): void {
    for (const { bytes, remote } of this.#early.splice(0)) {
      if (placeKey(remote) === placeKey(target)) this.#keying.feed(bytes, { socket: 0, remote })
      else {
        this.#strays += 1
        this.#host.count('dtls.not-admitted')
      }
    }
  }

  #missed(expected: string): MediaFailure | undefined {
    const strays = this.#strays + (this.#host.relay.stats(this.id)?.drops['dtls.not-admitted'] ?? 0)
    if (strays === 0 || this.#peer === undefined) return undefined
    return new MediaFailure('dtls.wrong-source', {
      expected: `${expected} from ${formatAddress(this.#peer)}`,
      seen: `datagrams from elsewhere: ${strays}`,
    })
  }
}
