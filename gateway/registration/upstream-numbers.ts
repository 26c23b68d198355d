import { createHmac } from 'node:crypto'
import type { NameAddr, SipRequest } from '../../sip/message/message.ts'
import { withTag } from '../../sip/message/name-addr.ts'
import type { RequestNumbers } from '../../sip/user-agent.ts'

/**
 * Call-ID and From tag of a request at the PBX, out of those it has at the browser. A request with credentials goes on with
 * the numbers of the one that was challenged (RFC 3261 §22.2), so both must lead to the same; and nobody who chooses numbers of
 * others at one side may meet them at the other.
 */
export class UpstreamNumbers {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  /** `owner`: the user in whose name it is sent. */
  of(owner: string, request: SipRequest): RequestNumbers & { readonly from: NameAddr } {
    const tag = request.from.parameters.get('tag') ?? ''
    const callId = this.#derived(['Call-ID', owner, request.callId, tag])
    const from: NameAddr = { ...request.from, parameters: new Map() }
    return {
      callId,
      cseq: request.cseq.number,
      from: withTag(from, this.#derived(['tag', owner, request.callId, tag]).slice(0, 16)),
    }
  }

  #derived(parts: readonly string[]): string {
    return createHmac('sha256', this.#secret).update(JSON.stringify(parts)).digest('hex').slice(0, 32)
  }
}
