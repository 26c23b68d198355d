import type { SipRequest, SipResponse } from '../message/message.ts'
import { acknowledgement } from './acknowledgement.ts'
import { type Machine, type StateTable, StateTableWalk } from './state-table.ts'
import { TIMERS } from './timers.ts'

export type ClientState =
  | 'initial'
  | 'calling'
  | 'trying'
  | 'proceeding'
  | 'accepted'
  | 'completed'
  | 'terminated'
type ClientEvent = 'start' | 'provisional' | 'success' | 'failure' | 'transport' | 'abandon'
type ClientTimer = 'A' | 'B' | 'D' | 'E' | 'F' | 'K' | 'M'
type ClientAction = 'send' | 'ack' | 'pass' | 'timeout' | 'transport'
type ClientTable = StateTable<ClientState, ClientEvent, ClientTimer, ClientAction>

const UNUSED = { timers: [], on: {} } as const

/** RFC 3261 §17.1.1 figure 5 with RFC 6026 figure 4. Proceeding has no timer: how long a phone may ring is the caller's matter. */
const INVITE_CLIENT = {
  initial: { timers: [], on: { start: ['calling', 'send'] } },
  calling: {
    timers: ['A', 'B'],
    on: {
      A: ['calling', 'send'],
      B: ['terminated', 'timeout'],
      provisional: ['proceeding', 'pass'],
      success: ['accepted', 'pass'],
      failure: ['completed', 'ack', 'pass'],
      transport: ['terminated', 'transport'],
    },
  },
  proceeding: {
    timers: [],
    on: {
      provisional: ['proceeding', 'pass'],
      success: ['accepted', 'pass'],
      failure: ['completed', 'ack', 'pass'],
      transport: ['terminated', 'transport'],
      abandon: ['terminated', 'timeout'],
    },
  },
  completed: {
    timers: ['D'],
    on: { D: ['terminated'], failure: ['completed', 'ack'], transport: ['terminated'] },
  },
  accepted: {
    timers: ['M'],
    on: { M: ['terminated'], success: ['accepted', 'pass'] },
  },
  trying: UNUSED,
  terminated: UNUSED,
} as const satisfies ClientTable

/** RFC 3261 §17.1.2 figure 6. */
const NON_INVITE_CLIENT = {
  initial: { timers: [], on: { start: ['trying', 'send'] } },
  trying: {
    timers: ['E', 'F'],
    on: {
      E: ['trying', 'send'],
      F: ['terminated', 'timeout'],
      provisional: ['proceeding', 'pass'],
      success: ['completed', 'pass'],
      failure: ['completed', 'pass'],
      transport: ['terminated', 'transport'],
    },
  },
  proceeding: {
    timers: ['E', 'F'],
    on: {
      E: ['proceeding', 'send'],
      F: ['terminated', 'timeout'],
      provisional: ['proceeding', 'pass'],
      success: ['completed', 'pass'],
      failure: ['completed', 'pass'],
      transport: ['terminated', 'transport'],
    },
  },
  completed: { timers: ['K'], on: { K: ['terminated'], transport: ['terminated'] } },
  calling: UNUSED,
  accepted: UNUSED,
  terminated: UNUSED,
} as const satisfies ClientTable

export type ClientInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'response'; readonly response: SipResponse }
  /** The flow is gone. */
  | { readonly kind: 'transport' }
  /** The peer answered neither the INVITE nor its CANCEL: RFC 3261 §9.1 lets us stop waiting. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'timeout' }

export type ClientOutput =
  | { readonly kind: 'send'; readonly request: SipRequest }
  | { readonly kind: 'pass'; readonly response: SipResponse }
  | { readonly kind: 'failed'; readonly reason: 'timeout' | 'transport' }

/** A client transaction, INVITE or not, by the method of its request. ACK for 300-699 is made here; ACK for 2xx is the dialog's. */
export class ClientTransaction implements Machine<ClientInput, ClientOutput> {
  readonly request: SipRequest
  readonly #walk: StateTableWalk<ClientState, ClientEvent, ClientTimer, ClientAction>
  #ack: SipRequest | undefined

  constructor(request: SipRequest, reliable: boolean, nowMs: number) {
    this.request = request
    const table: ClientTable = request.method === 'INVITE' ? INVITE_CLIENT : NON_INVITE_CLIENT
    this.#walk = new StateTableWalk(table, TIMERS, { state: 'initial', reliable, nowMs })
  }

  get state(): ClientState {
    return this.#walk.state
  }

  get deadlineMs(): number | undefined {
    return this.#walk.deadlineMs
  }

  handle(input: ClientInput, nowMs: number): readonly ClientOutput[] {
    if (input.kind === 'timeout') return this.#perform(this.#walk.expire(nowMs), undefined)
    if (input.kind !== 'response') return this.#perform(this.#walk.fire(input.kind, nowMs), undefined)
    return this.#perform(this.#walk.fire(classOf(input.response.status), nowMs), input.response)
  }

  #perform(actions: readonly ClientAction[], response: SipResponse | undefined): readonly ClientOutput[] {
    return actions.flatMap((action): readonly ClientOutput[] => {
      switch (action) {
        case 'send':
          return [{ kind: 'send', request: this.request }]
        case 'ack':
          if (response === undefined) return []
          // The first one is repeated: a second 4xx with another To tag is no reason to make a new ACK.
          this.#ack ??= acknowledgement(this.request, response)
          return [{ kind: 'send', request: this.#ack }]
        case 'pass':
          return response === undefined ? [] : [{ kind: 'pass', response }]
        case 'timeout':
        case 'transport':
          return [{ kind: 'failed', reason: action }]
        default:
          return action satisfies never
      }
    })
  }
}

const classOf = (status: number): 'provisional' | 'success' | 'failure' => {
  if (status < 200) return 'provisional'
  return status < 300 ? 'success' : 'failure'
}
