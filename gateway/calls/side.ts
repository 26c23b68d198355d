import type { NameAddr, SipRequest } from '../../sip/message/message.ts'
import type { DialogHandler, IncomingReinvite, IncomingRequest, InviteDialog } from '../../sip/user-agent.ts'
import type { HeaderPolicy } from './header-policy.ts'
import type { Identity } from './identity.ts'
import type { Leg } from './leg.ts'
import { Renegotiation } from './renegotiation.ts'

/** Whoever a side belongs to now; a transfer may give it to another call. */
export interface SideOwner {
  onDialogEnd(
    side: Side,
    reason: Parameters<DialogHandler['onEnd']>[0],
    request: SipRequest | undefined,
  ): void
  onDialogAck(side: Side, ack: SipRequest): void
  onReinvite(side: Side, reinvite: IncomingReinvite): void
  /** Before it has accepted our INVITE. False: not now. */
  onEarlyOffer(side: Side, reinvite: IncomingReinvite): boolean
  onRefreshDue(side: Side): void
  onRefreshed(side: Side, request: SipRequest): void
  onRequest(side: Side, request: IncomingRequest): void
  /** Whether the call goes on however long the connection of a side is lost. */
  outlivesFlow(): boolean
  /** What its leg said or heard in descriptions, for the call's history. */
  onDescribed(side: Side, direction: 'received' | 'sent', text: string): void
  onAgreed(side: Side, codec: string | undefined): void
  /** What went wrong is this side's, whoever hears of it. */
  onBlamed(side: Side, error: unknown): void
  /** The call goes on with something that is wrong at this side. */
  onImpaired(side: Side, error: unknown): void
}

export interface SideOptions {
  readonly leg: Leg
  /** `user:alice` or `trunk:pbx`. */
  readonly party: string
  /** What it sees of the other side's headers. */
  readonly passHeaders: HeaderPolicy
  /** We sent the INVITE (RFC 3261 §14.1: the owner waits longer after glare). */
  readonly isCallIdOwner: boolean
  readonly owner: SideOwner
}

/** One side of a call: its leg, its dialog once there is one, and what is still to be offered to it. */
export class Side {
  readonly leg: Leg
  /** As long as several users ring, all of them; then the one that has answered. */
  party: string
  readonly passHeaders: HeaderPolicy
  readonly isCallIdOwner: boolean
  readonly renegotiation = new Renegotiation()
  readonly dialogHandler: DialogHandler
  owner: SideOwner
  /** The peer's half of Session-ID; ours on its behalf when it has none of its own. */
  sessionUuid: string | undefined
  dialog: InviteDialog | undefined
  /** Who its peer is, where its INVITE or what came later has said so; else its party, or the number that was called there. */
  identity: Identity | undefined
  /** Users of those that its peer has named and who were not to be shown, the newest last. */
  hidden: readonly string[] = []
  /** What From of its peer's requests says, so far. */
  from: NameAddr | undefined
  cancelBackOff: () => void = () => {}
  /** No offer of ours is under way any more. */
  onSettled: () => void = () => {}

  constructor({ leg, party, passHeaders, isCallIdOwner, owner }: SideOptions) {
    this.leg = leg
    this.party = party
    this.passHeaders = passHeaders
    this.isCallIdOwner = isCallIdOwner
    this.owner = owner
    leg.observer = {
      described: (direction, text) => this.owner.onDescribed(this, direction, text),
      agreed: (codec) => this.owner.onAgreed(this, codec),
      failed: (error) => this.owner.onBlamed(this, error),
      impaired: (error) => this.owner.onImpaired(this, error),
    }
    this.dialogHandler = {
      onEnd: (reason, request) => this.owner.onDialogEnd(this, reason, request),
      onAck: (ack) => this.owner.onDialogAck(this, ack),
      onReinvite: (reinvite) => this.owner.onReinvite(this, reinvite),
      onEarlyOffer: (reinvite) => this.owner.onEarlyOffer(this, reinvite),
      onRefreshDue: () => this.owner.onRefreshDue(this),
      onRefreshed: (request) => this.owner.onRefreshed(this, request),
      onRequest: (request) => this.owner.onRequest(this, request),
      outlivesFlow: () => this.owner.outlivesFlow(),
    }
  }

  /** `error`, whose cause is this side. */
  blamed<Failure>(error: Failure): Failure {
    this.owner.onBlamed(this, error)
    return error
  }
}
