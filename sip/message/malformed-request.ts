import { SipFailure } from '../failure.ts'
import type { SipRequest } from './message.ts'

/**
 * What `buildResponse` needs of a request. Of one that could not be read in full, fields hold what was readable and the
 * raw header values are echoed as they came.
 */
export type Answerable = Pick<SipRequest, 'method' | 'headers' | 'via' | 'from' | 'to' | 'callId' | 'cseq'>

/**
 * A request that must be refused, thrown by `parseMessage`. `SIP_CODES[failure.code].status` is the answer. `answerable`
 * is undefined when no answer could reach its sender or be matched there: Via, From, To, Call-ID or CSeq is missing or
 * unreadable. ACK is never answered; that is the caller's to see.
 */
export class MalformedRequest extends SipFailure {
  readonly answerable: Answerable | undefined

  constructor(failure: SipFailure, answerable: Answerable | undefined) {
    super(failure.code, {
      ...(failure.expected === undefined ? {} : { expected: failure.expected }),
      ...(failure.seen === undefined ? {} : { seen: failure.seen }),
      cause: failure,
    })
    this.answerable = answerable
  }
}
