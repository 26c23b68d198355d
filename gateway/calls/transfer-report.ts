import { header } from '../../sip/message/headers.ts'
import type { IncomingRequest } from '../../sip/user-agent.ts'
import type { Verdict } from '../diagnosis.ts'
import { reasonHeader } from '../failure.ts'
import { sipfrag } from './refer.ts'
import type { Side } from './side.ts'

/** RFC 3515 §2.4.4: how long the transferor may count on the subscription that its REFER made. */
const EXPIRES_S = 180

/** What the transferor hears of its REFER: 202, NOTIFY 100, the provisional answers, and the end. */
export class TransferReport {
  readonly #side: Side
  readonly #refer: IncomingRequest
  readonly #isSilent: boolean
  #isAccepted = false
  #last: number | undefined

  constructor(side: Side, refer: IncomingRequest) {
    this.#side = side
    this.#refer = refer
    // RFC 4488: the transferor wants no NOTIFY.
    this.#isSilent = header(refer.request, 'Refer-Sub')?.trim().toLowerCase().startsWith('false') ?? false
  }

  accept(): void {
    if (this.#isAccepted) return
    this.#isAccepted = true
    this.#refer.respond(202, this.#isSilent ? { headers: [{ name: 'Refer-Sub', value: 'false' }] } : {})
    this.#notify(100, 'Trying', `active;expires=${EXPIRES_S}`)
  }

  /** The transfer cannot be: a refusal, or after 202 the final NOTIFY. */
  refuse(verdict: Verdict): void {
    if (this.#isAccepted) this.finish(verdict.status, 'Transfer Failed', () => {})
    else this.#refer.respond(verdict.status, { headers: [reasonHeader(verdict)] })
  }

  /** A provisional answer of the target; a repeated one is not news. */
  progress(status: number, reason: string): void {
    if (this.#last !== status) this.#notify(status, reason, `active;expires=${EXPIRES_S}`)
  }

  /** The final answer; `done` when the transferor has it, or cannot be told. */
  finish(status: number, reason: string, done: () => void): void {
    this.#notify(status, reason, 'terminated;reason=noresource', done)
  }

  #notify(status: number, reason: string, state: string, done: () => void = () => {}): void {
    this.#last = status
    // Each REFER in a dialog makes a subscription of its own, told apart by its CSeq (RFC 3515 §2.4.6).
    const { dialog } = this.#side
    if (this.#isSilent || dialog === undefined || dialog.state === 'ended') {
      done()
      return
    }
    const headers = [
      { name: 'Event', value: `refer;id=${this.#refer.request.cseq.number}` },
      { name: 'Subscription-State', value: state },
    ]
    dialog.request('NOTIFY', { headers, body: sipfrag(status, reason) }, done)
  }
}
