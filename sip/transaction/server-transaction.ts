import type { SipRequest, SipResponse } from '../message/message.ts'
import { type Machine, type StateTable, StateTableWalk } from './state-table.ts'
import { TIMERS } from './timers.ts'

export type ServerState = 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'
type ServerEvent = 'request' | 'ack' | 'provisional' | 'success' | 'failure' | 'dismissal'
type ServerTimer = 'G' | 'H' | 'I' | 'J' | 'L' | 'refresh' | 'unanswered'
type ServerAction = 'send' | 'refresh' | 'pass-ack'
type ServerTable = StateTable<ServerState, ServerEvent, ServerTimer, ServerAction>

const UNUSED = { timers: [], on: {} } as const

/** RFC 3261 §17.2.1 figure 7 with RFC 6026 figure 5. 2xx is repeated by the dialog, not here. */
const INVITE_SERVER = {
  proceeding: {
    timers: ['refresh'],
    on: {
      request: ['proceeding', 'send'],
      refresh: ['proceeding', 'refresh'],
      provisional: ['proceeding', 'send'],
      success: ['accepted', 'send'],
      failure: ['completed', 'send'],
      dismissal: ['terminated', 'send'],
    },
  },
  completed: {
    timers: ['G', 'H'],
    on: {
      G: ['completed', 'send'],
      H: ['terminated'],
      request: ['completed', 'send'],
      ack: ['confirmed'],
    },
  },
  confirmed: { timers: ['I'], on: { I: ['terminated'] } },
  accepted: { timers: ['L'], on: { L: ['terminated'], ack: ['accepted', 'pass-ack'] } },
  trying: UNUSED,
  terminated: UNUSED,
} as const satisfies ServerTable

/** RFC 3261 §17.2.2 figure 8. */
const NON_INVITE_SERVER = {
  trying: {
    timers: ['unanswered'],
    on: {
      unanswered: ['terminated'],
      provisional: ['proceeding', 'send'],
      success: ['completed', 'send'],
      failure: ['completed', 'send'],
      dismissal: ['terminated', 'send'],
    },
  },
  proceeding: {
    timers: ['unanswered'],
    on: {
      unanswered: ['terminated'],
      request: ['proceeding', 'send'],
      provisional: ['proceeding', 'send'],
      success: ['completed', 'send'],
      failure: ['completed', 'send'],
      dismissal: ['terminated', 'send'],
    },
  },
  completed: { timers: ['J'], on: { J: ['terminated'], request: ['completed', 'send'] } },
  accepted: UNUSED,
  confirmed: UNUSED,
  terminated: UNUSED,
} as const satisfies ServerTable

export type ServerInput =
  /** The same request again. */
  | { readonly kind: 'request' }
  | { readonly kind: 'ack'; readonly ack: SipRequest }
  /** `isOnce`: nothing is kept for an ACK or for the same request again. */
  | { readonly kind: 'respond'; readonly response: SipResponse; readonly isOnce?: boolean }
  | { readonly kind: 'timeout' }

export type ServerOutput =
  | { readonly kind: 'send'; readonly response: SipResponse }
  /** ACK for a 2xx that came on the branch of its INVITE, as some peers do; the dialog wants it. */
  | { readonly kind: 'pass-ack'; readonly ack: SipRequest }

/** A server transaction, INVITE or not, by the method of its request. */
export class ServerTransaction implements Machine<ServerInput, ServerOutput> {
  readonly request: SipRequest
  readonly #walk: StateTableWalk<ServerState, ServerEvent, ServerTimer, ServerAction>
  #last: SipResponse | undefined

  constructor(request: SipRequest, reliable: boolean, nowMs: number) {
    this.request = request
    const isInvite = request.method === 'INVITE'
    const table: ServerTable = isInvite ? INVITE_SERVER : NON_INVITE_SERVER
    const state = isInvite ? 'proceeding' : 'trying'
    this.#walk = new StateTableWalk(table, TIMERS, { state, reliable, nowMs })
  }

  get state(): ServerState {
    return this.#walk.state
  }

  get deadlineMs(): number | undefined {
    return this.#walk.deadlineMs
  }

  /** True as long as a response is still wanted; later ones are ignored by `handle`. */
  get isPending(): boolean {
    return this.state === 'trying' || this.state === 'proceeding'
  }

  handle(input: ServerInput, nowMs: number): readonly ServerOutput[] {
    switch (input.kind) {
      case 'timeout':
        return this.#perform(this.#walk.expire(nowMs), undefined)
      case 'request':
        return this.#perform(this.#walk.fire('request', nowMs), undefined)
      case 'ack':
        return this.#perform(this.#walk.fire('ack', nowMs), input.ack)
      case 'respond':
        if (!this.isPending) return []
        this.#last = input.response
        return this.#perform(this.#walk.fire(eventOf(input), nowMs), undefined)
      default:
        return input satisfies never
    }
  }

  #perform(actions: readonly ServerAction[], ack: SipRequest | undefined): readonly ServerOutput[] {
    return actions.flatMap((action): readonly ServerOutput[] => {
      switch (action) {
        case 'send':
          return this.#last === undefined ? [] : [{ kind: 'send', response: this.#last }]
        case 'refresh':
          // RFC 3261 §13.3.1.1 asks for a response other than 100.
          if (this.#last === undefined || this.#last.status === 100) return []
          return [{ kind: 'send', response: this.#last }]
        case 'pass-ack':
          return ack === undefined ? [] : [{ kind: 'pass-ack', ack }]
        default:
          return action satisfies never
      }
    })
  }
}

const eventOf = ({
  response: { status },
  isOnce,
}: Extract<ServerInput, { kind: 'respond' }>): ServerEvent => {
  if (status < 200) return 'provisional'
  if (isOnce === true) return 'dismissal'
  return status < 300 ? 'success' : 'failure'
}
