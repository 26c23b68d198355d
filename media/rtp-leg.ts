import { formatAddress, isUnspecified } from './address.ts'
import { MediaFailure } from './failure.ts'
import type { KeyBytes } from './key-bytes.ts'
import type { LegHost } from './leg-host.ts'
import type { LegId } from './native/boundary.ts'
import type { RtpLocal, RtpRemote, SdesKey, SrtpSuite, TransportAddress } from './parameters.ts'

/** A trunk leg: RTP or SDES-SRTP on a port pair of its own. */
export class RtpLeg {
  readonly kind = 'rtp'
  readonly id: LegId
  readonly local: RtpLocal
  readonly #host: LegHost
  readonly #secrets: readonly KeyBytes[]
  readonly #isPlainAllowed: boolean
  #target: string | undefined
  #suite: SrtpSuite | 'none' | undefined

  /** `secrets` are the keys inside `local.crypto`; the leg owns and wipes them. Without any it is plain. */
  constructor(
    id: LegId,
    local: RtpLocal,
    { secrets, isPlainAllowed }: { readonly secrets: readonly KeyBytes[]; readonly isPlainAllowed: boolean },
    host: LegHost,
  ) {
    this.id = id
    this.local = local
    this.#secrets = secrets
    this.#isPlainAllowed = isPlainAllowed || secrets.length === 0
    this.#host = host
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
    if (target === this.#target) return
    this.#target = target
    this.#host.relay.setRemote(this.id, { rtp, rtcp, latchMs: this.#host.timeouts.latchMs })
  }

  close(): void {
    for (const secret of this.#secrets) secret.wipe()
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

export function isReachable({ address, port }: TransportAddress): boolean {
  return port > 0 && !isUnspecified(address)
}

/** An unusable address for RTCP alone leaves the one beside RTP (RFC 3605 §2.1). */
function rtcpTarget({ rtp, rtcp }: RtpRemote): TransportAddress | undefined {
  if (rtcp === undefined || isReachable(rtcp)) return rtcp
  return { address: rtp.address, port: Math.min(rtp.port + 1, 65_535) }
}
