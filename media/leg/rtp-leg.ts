import { formatAddress, isUnspecified } from '../address.ts'
import { DeadlineTimer } from '../deadline-timer.ts'
import { MediaFailure } from '../failure.ts'
import type { KeyBytes } from '../key-bytes.ts'
import type { LegHost } from '../leg-host.ts'
import type { LegId, NativeLegStats, RtpTarget } from '../native/boundary.ts'
import type { RtpLocal, RtpRemote, SdesKey, SrtpSuite, TransportAddress } from '../parameters.ts'

/** How a leg gets away from shared ports. */
export interface Sharing {
  /** Addresses from which a socket of ours may send. */
  isOwn(address: string): boolean
  /** Gives it ports of its own, that of RTP is returned. Throws `media.no-port`; then nothing has changed. */
  move(): number
}

export interface RtpLegOptions {
  /** The keys inside `local.crypto`; the leg owns and wipes them. Without any it is plain. */
  readonly secrets: readonly KeyBytes[]
  readonly isPlainAllowed: boolean
  /** Of a leg on shared ports. */
  readonly sharing?: Sharing
}

/** A peer that is answered and not heard for so long may send from elsewhere than it says. */
const UNHEARD_MS = 2_000

/** A trunk leg: RTP or SDES-SRTP, on a port pair of its own or, while its peer can be told apart there, on one that legs share. */
export class RtpLeg {
  readonly kind = 'rtp'
  readonly id: LegId
  readonly #host: LegHost
  readonly #secrets: readonly KeyBytes[]
  readonly #isPlainAllowed: boolean
  readonly #unheard: DeadlineTimer
  #local: RtpLocal
  #sharing: Sharing | undefined
  #aimed: RtpTarget | undefined
  /** Packets that were nobody's when media began to be expected. */
  #strays = 0
  #target: string | undefined
  #suite: SrtpSuite | 'none' | undefined

  constructor(
    id: LegId,
    local: RtpLocal,
    { secrets, isPlainAllowed, sharing }: RtpLegOptions,
    host: LegHost,
  ) {
    this.id = id
    this.#local = local
    this.#sharing = sharing
    this.#secrets = secrets
    this.#isPlainAllowed = isPlainAllowed || secrets.length === 0
    this.#host = host
    this.#unheard = new DeadlineTimer(host.clock, () => this.#leaveUnheard())
  }

  /** The same object until the leg moves to other ports. */
  get local(): RtpLocal {
    return this.#local
  }

  /** As `SessionStats.pending`: its keys are in the description. */
  get pending(): undefined {
    return undefined
  }

  get dtlsSessions(): number {
    return 0
  }

  get suite(): SrtpSuite | 'none' | undefined {
    return this.#suite
  }

  /** The relay has keys (or none are needed) and a target. */
  get canSend(): boolean {
    return this.#suite !== undefined && this.#target !== undefined
  }

  /** Keys first, then the target, so that nothing flows in between with the wrong ones. */
  setRemote(remote: RtpRemote, localCrypto: SdesKey | undefined): void {
    this.#setKeys(remote.crypto, localCrypto)
    const { rtp } = remote
    if (!isReachable(rtp)) {
      this.#target = undefined
      this.#host.relay.setRemote(this.id, undefined)
      return
    }
    const rtcp = rtcpTarget(remote)
    const target = `${formatAddress(rtp)} ${rtcp === undefined ? 'mux' : formatAddress(rtcp)}`
    // Again too, unless its place among other legs is meant: a peer that is not heard may have to be learnt anew.
    if (target === this.#target && this.#sharing !== undefined) return
    this.#aim({ rtp, rtcp, latchMs: this.#host.timeouts.latchMs })
    this.#target = target
  }

  /**
   * The call is answered: from now on the peer ought to be heard. On ports of its own it may be learnt from now on, too: since
   * an answer to early media, to which it need not have said anything, the time for that may have passed.
   */
  expectMedia(): void {
    const { clock, relay } = this.#host
    if (this.#sharing === undefined) {
      if (this.#target !== undefined) relay.setRemote(this.id, this.#aimed)
      return
    }
    this.#strays = relay.counters()['media.unmatched'] ?? 0
    this.#unheard.set(clock.now() + UNHEARD_MS)
  }

  close(): void {
    this.#unheard.set(undefined)
    for (const secret of this.#secrets) secret.wipe()
  }

  /** On shared ports a peer is known by the remote it describes, which must be its alone. */
  #aim(target: RtpTarget): void {
    const { relay } = this.#host
    this.#aimed = target
    const own = [target.rtp, target.rtcp].find((at) => at !== undefined && this.#sharing?.isOwn(at.address))
    if (own !== undefined) this.#leave(`${own.address} is an address of ours`)
    try {
      relay.setRemote(this.id, target)
    } catch (error) {
      if (!isCollision(error)) throw error
      this.#leave(`another call has ${formatAddress(target.rtp)}`)
      relay.setRemote(this.id, target)
    }
  }

  /** Not heard, while packets come that are nobody's: they may be the peer's, through a NAT. On ports of its own it is learnt. */
  #leaveUnheard(): void {
    const { relay } = this.#host
    const isAnyoneLost = (relay.counters()['media.unmatched'] ?? 0) > this.#strays
    const isUnheard = isAnyoneLost && hasNothingArrived(relay.stats(this.id))
    if (this.#sharing === undefined || this.#aimed === undefined || !isUnheard) return
    try {
      this.#leave(`nothing came from ${formatAddress(this.#aimed.rtp)}`)
    } catch (failure) {
      // Without a free port it stays where it is; that it is not heard is told otherwise.
      if (!(failure instanceof MediaFailure)) throw failure
      return
    }
    relay.setRemote(this.id, this.#aimed)
    this.#host.moved(this.#local)
  }

  #leave(why: string): void {
    if (this.#sharing === undefined) throw new Error('a collision on ports of its own')
    const port = this.#sharing.move()
    this.#sharing = undefined
    this.#local = { ...this.#local, rtp: { ...this.#local.rtp, port }, rtcpPort: port + 1 }
    this.#host.count('relay.port-moved')
    this.#host.note({ what: 'port-moved', detail: `${port}: ${why}` })
  }

  #setKeys(receive: SdesKey | undefined, send: SdesKey | undefined): void {
    const isEncrypted = this.local.crypto.length > 0
    if (receive === undefined && send === undefined && this.#isPlainAllowed) {
      this.#setPlain()
      return
    }
    if (receive === undefined || send === undefined || !isEncrypted || receive.suite !== send.suite) {
      throw new MediaFailure('media.wrong-leg', {
        expected: isEncrypted ? 'keys of one suite in both directions' : 'no keys on a plain leg',
        seen: `receive ${receive?.suite ?? 'none'}, send ${send?.suite ?? 'none'}`,
      })
    }
    this.#apply(receive, send)
  }

  #setPlain(): void {
    if (this.#suite === 'none') return
    this.#host.relay.setKeys(this.id, 'receive', 'none')
    this.#host.relay.setKeys(this.id, 'send', 'none')
    this.#suite = 'none'
  }

  /** The relay keeps its rollover counters when a key is repeated. */
  #apply(receive: SdesKey, send: SdesKey): void {
    const { relay } = this.#host
    relay.setKeys(this.id, 'receive', {
      suite: receive.suite,
      keySalt: receive.keySalt.reveal(),
      mki: receive.mki,
    })
    relay.setKeys(this.id, 'send', { suite: send.suite, keySalt: send.keySalt.reveal() })
    this.#suite = receive.suite
    this.#host.stage({ kind: 'keys-ready' })
  }
}

/** A leg that has failed has left the relay; what it cannot decrypt has arrived all the same. */
const hasNothingArrived = (stats: NativeLegStats | undefined): boolean =>
  stats?.packetsReceived === 0 && !Object.keys(stats.drops).some((reason) => ARRIVED.test(reason))

const ARRIVED = /^s?rtp\.(?!no-keys)/

const isCollision = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ECOLLISION'

export function isReachable({ address, port }: TransportAddress): boolean {
  return port > 0 && !isUnspecified(address)
}

/** An unusable address for RTCP alone leaves the one beside RTP (RFC 3605 §2.1). */
function rtcpTarget({ rtp, rtcp }: RtpRemote): TransportAddress | undefined {
  if (rtcp === undefined || isReachable(rtcp)) return rtcp
  return { address: rtp.address, port: Math.min(rtp.port + 1, 65_535) }
}
