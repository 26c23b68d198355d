import type { Flow } from '../flow.ts'
import { encoded } from '../message/encoded.ts'
import type { SipRequest } from '../message/message.ts'
import { buildVia } from '../message/via.ts'

/** RFC 3261 §18.1.1: the largest request that is sure to fit where nothing is known of the path. Beyond it, fragments get lost. */
const MAX_DATAGRAM_REQUEST_BYTES = 1_300
/** A peer that did not take TCP is not asked again for so long: each try may hold up a call. */
const AVOIDED_MS = 600_000
/** Peers that are remembered for it; beyond it the one that failed longest ago is asked again. */
const MAX_AVOIDED = 1_024

export const isTooLarge = (request: SipRequest, flow: Flow): boolean =>
  flow.transport === 'udp' && encoded(request).length > MAX_DATAGRAM_REQUEST_BYTES

/** Which peers take large requests by a connection, as far as has been tried. */
export class WiderWays {
  /** By peer: until when it is avoided; the latest failure last. */
  readonly #avoided = new Map<string, number>()

  /** Another way for a request that is too large for its own. */
  wayFor(request: SipRequest, flow: Flow, nowMs: number): Flow | undefined {
    if (!isTooLarge(request, flow)) return undefined
    const wider = flow.wider?.()
    const isAvoided = wider !== undefined && (this.#avoided.get(keyOf(wider)) ?? 0) > nowMs
    return isAvoided || wider?.isOpen !== true ? undefined : wider
  }

  failed(wider: Flow, nowMs: number): void {
    const key = keyOf(wider)
    this.#avoided.delete(key)
    this.#avoided.set(key, nowMs + AVOIDED_MS)
    const [oldest] = this.#avoided.keys()
    if (this.#avoided.size > MAX_AVOIDED && oldest !== undefined) this.#avoided.delete(oldest)
  }
}

const keyOf = ({ scope, remote }: Flow): string => `${scope} ${remote.address} ${remote.port}`

/** The same request by another flow: with the branch it had, so that its CANCEL, and a peer that has seen it before, know it. */
export function overFlow(request: SipRequest, flow: Flow): SipRequest {
  const [own] = request.via
  const via = buildVia({
    transport: flow.transport,
    host: own?.host ?? flow.local.address,
    port: flow.local.port,
    branch: own?.parameters.get('branch') ?? '',
  })
  const headers = request.headers.map((header) =>
    header.name === 'Via' ? { name: 'Via', value: via.text } : header,
  )
  return Object.freeze({ ...request, headers: Object.freeze(headers), via: [via] })
}
