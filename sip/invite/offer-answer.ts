/** Who has made an offer that waits for its answer (RFC 3264 §4, RFC 6337 §2). Bodies are opaque here; any body counts. */
export type OfferState = 'stable' | 'local-offer' | 'remote-offer'

export type OfferEvent =
  | 'send-offer'
  | 'receive-offer'
  | 'send-answer'
  | 'receive-answer'
  /** The request that carried the offer failed: what was agreed before holds again. */
  | 'offer-failed'

/** An event without an entry breaks the rules of offer and answer. */
export const OFFER_ANSWER = {
  stable: { 'send-offer': 'local-offer', 'receive-offer': 'remote-offer', 'offer-failed': 'stable' },
  'local-offer': { 'receive-answer': 'stable', 'offer-failed': 'stable' },
  'remote-offer': { 'send-answer': 'stable', 'offer-failed': 'stable' },
} as const satisfies Record<OfferState, Partial<Record<OfferEvent, OfferState>>>

/** The next state, or undefined where `event` is not allowed. */
export const nextOfferState = (state: OfferState, event: OfferEvent): OfferState | undefined => {
  const row: Partial<Record<OfferEvent, OfferState>> = OFFER_ANSWER[state]
  return row[event]
}

/** The state after the initial INVITE's 2xx, before ACK. Without an offer in the INVITE the 2xx carries it and ACK the answer. */
export const offerStateAfterAnswer = (role: 'uac' | 'uas', inviteHadBody: boolean): OfferState => {
  if (inviteHadBody) return 'stable'
  return role === 'uas' ? 'local-offer' : 'remote-offer'
}
