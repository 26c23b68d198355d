import type { Config } from '../../config/config.ts'
import { PartyRates, type Rate } from '../../sip/party-rates.ts'
import { type GatewayCode, GatewayFailure } from '../gateway-failure.ts'
import { isTrunkParty, isUserParty } from './party.ts'
import { checkDestination, type OwnLimits, PartyLimitTable } from './party-limits.ts'

export interface AdmissionOptions {
  readonly config: Pick<Config, 'users' | 'trunks' | 'limits' | 'calls' | 'emergency' | 'media'>
  readonly nowMs: () => number
  /** Share of the last second that the packet path worked, 0 to 1. */
  readonly mediaLoad: () => number
}

/** A call, or the new leg of a transfer, as its limits see it. */
export interface Asked {
  /** Whose limits it counts against, `user:alice` or `trunk:pbx`: the party that has placed or transferred it. */
  readonly payer: string
  /** The number by a trunk, as `Destination` has it; undefined: it stays in the house. */
  readonly forms: readonly string[] | undefined
  /** What the PBX that users are registered at is asked for, where that is so: it may be a name, but no denied number. */
  readonly pbxForms?: readonly string[] | undefined
  readonly isEmergency: boolean
  /** A new leg of a call that is counted already. */
  readonly isTransfer?: boolean
}

/** The place of a call among those that may be at a time. */
export interface Ticket {
  readonly payer: string
  readonly isEmergency: boolean
  /** Stays with a call that is joined to another: what it is for goes on, and costs money. */
  readonly isOutside: boolean
  /** Gives the place back; may be called twice. */
  release(): void
}

/** How often MESSAGE may come: typing in two conversations stays far below, and a trunk sends what many people type. */
export const MESSAGE_RATES: Readonly<Record<'user' | 'trunk', Rate>> = {
  user: { perSecond: 10, burst: 60 },
  trunk: { perSecond: 100, burst: 600 },
}

/** How often SUBSCRIBE may come: a console that is loaded again asks at once for all that a user may have. */
export const SUBSCRIBE_RATES: Readonly<Record<'user' | 'trunk', Rate>> = {
  user: { perSecond: 10, burst: 600 },
  trunk: { perSecond: 100, burst: 5_000 },
}

/** What one user or trunk may have of the emergency calls: a quarter, and always two. */
const EMERGENCY_SHARE = 4
const MIN_EMERGENCIES = 2

/**
 * Who may call, how often, how many at a time and where to. An emergency call asks only for a place among emergency calls:
 * no flood of other calls takes it, and it takes none of theirs.
 */
export class Admission {
  readonly limits: PartyLimitTable
  readonly #options: AdmissionOptions
  readonly #live = new Map<string, number>()
  readonly #callRates = new PartyRates()
  readonly #messageRates = new PartyRates()
  readonly #subscribeRates = new PartyRates()
  /** Of messages by trunks, each of which may cost what a call does: as often as calls, beside them. */
  readonly #paidMessageRates = new PartyRates()
  readonly #refused = new Map<GatewayCode, number>()
  #calls = 0
  #emergencyCalls = 0
  readonly #emergenciesOf = new Map<string, number>()

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.limits = new PartyLimitTable(options.config)
  }

  /** Throws `call.overload`, `call.media-busy`, `limit.concurrent`, `limit.rate`, `limit.destination`; nothing is taken then. */
  enter(asked: Asked): Ticket {
    return this.#counted(() => (asked.isEmergency ? this.#enterEmergency(asked) : this.#enterCall(asked)))
  }

  /** One more call over a trunk. Throws `limit.destination`, `limit.rate`: the trunk is not for this call, or not now. */
  useTrunk(trunk: string, forms: readonly string[]): void {
    this.#counted(() => {
      const party = `trunk:${trunk}`
      checkDestination(party, this.limits.of(party), forms)
      this.#takeToken(this.#callRates, party)
    })
  }

  /** A MESSAGE of `payer`. Throws `limit.destination`, `limit.rate`. */
  passMessage({ payer, forms, pbxForms }: Pick<Asked, 'payer' | 'forms' | 'pbxForms'>): void {
    this.#counted(() => {
      const limits = this.limits.of(payer)
      if (pbxForms !== undefined) checkPbxForms(payer, limits, pbxForms)
      if (forms !== undefined) checkDestination(payer, limits, forms)
      this.#take(this.#messageRates, payer, MESSAGE_RATES)
      if (forms !== undefined) this.#takeToken(this.#paidMessageRates, payer)
    })
  }

  /** A SUBSCRIBE of `payer` for something new. Throws `limit.rate`. */
  passSubscribe(payer: string): void {
    this.#counted(() => this.#take(this.#subscribeRates, payer, SUBSCRIBE_RATES))
  }

  /** One more MESSAGE over a trunk. Throws `limit.destination`, `limit.rate`: the trunk is not for this one, or not now. */
  useTrunkForMessage(trunk: string, forms: readonly string[]): void {
    this.#counted(() => {
      const party = `trunk:${trunk}`
      checkDestination(party, this.limits.of(party), forms)
      this.#takeToken(this.#paidMessageRates, party)
    })
  }

  /** A trunk sends a call of `payer` on to that number, or name of its own. Throws `limit.destination`. */
  checkRedirection(payer: string, trunk: string, forms: readonly string[]): void {
    const [sent = ''] = forms
    const isName = !/^[+0-9*#]/.test(sent)
    this.#counted(() => {
      for (const party of new Set([payer, `trunk:${trunk}`])) {
        const { allow, deny } = this.limits.of(party)
        // Which of its forms the trunk means is not known: one that is allowed will do, and one that is denied will not.
        const meant = forms.find((form) => allow.some((beginning) => form.startsWith(beginning))) ?? sent
        checkDestination(party, { allow: isName ? [] : allow, deny }, [meant, ...forms])
      }
    })
  }

  /** How many calls each has placed and not ended, how many of all are live, and what was refused for which reason. */
  counters(): Readonly<Record<string, number | Readonly<Record<string, number>>>> {
    return {
      calls: this.#calls,
      emergencyCalls: this.#emergencyCalls,
      placed: Object.fromEntries(this.#live),
      refused: Object.fromEntries(this.#refused),
    }
  }

  /** What there is room for now is kept for the calls that go on, and for emergency calls. */
  #checkMediaLoad(): void {
    const { maxLoad } = this.#options.config.media
    const load = Math.round(this.#options.mediaLoad() * 100)
    if (load >= maxLoad) {
      throw new GatewayFailure('call.media-busy', { expected: `less than ${maxLoad} %`, seen: `${load} %` })
    }
  }

  #enterEmergency({ payer }: Asked): Ticket {
    const most = this.#options.config.emergency?.maxCalls ?? 0
    if (this.#emergencyCalls >= most) {
      throw new GatewayFailure('call.overload', { expected: `at most ${most} emergency calls` })
    }
    const own = this.#emergenciesOf.get(payer) ?? 0
    // One stolen password leaves room for the others.
    const share = Math.max(MIN_EMERGENCIES, Math.ceil(most / EMERGENCY_SHARE))
    if (own >= share) {
      throw new GatewayFailure('limit.concurrent', {
        expected: `at most ${share} emergency calls`,
        seen: payer,
      })
    }
    this.#emergencyCalls += 1
    this.#emergenciesOf.set(payer, own + 1)
    return ticket({ payer, isEmergency: true, isOutside: true }, () => {
      this.#emergencyCalls -= 1
      const left = (this.#emergenciesOf.get(payer) ?? 1) - 1
      if (left === 0) this.#emergenciesOf.delete(payer)
      else this.#emergenciesOf.set(payer, left)
    })
  }

  #enterCall({ payer, forms, pbxForms, isTransfer = false }: Asked): Ticket {
    const { maxCalls } = this.#options.config.calls
    const costs = forms !== undefined || isNumber(pbxForms)
    const isOutside = costs || isTrunkParty(payer)
    if (!isTransfer && this.#calls >= maxCalls)
      throw new GatewayFailure('call.overload', { expected: `at most ${maxCalls}` })
    if (!isTransfer) this.#checkMediaLoad()
    const limits = this.limits.of(payer)
    if (pbxForms !== undefined) checkPbxForms(payer, limits, pbxForms)
    // A switchboard that sends calls on all day has not placed them.
    if (isTransfer && !costs) {
      this.#takeToken(this.#callRates, payer)
      return ticket({ payer, isEmergency: false, isOutside: false }, () => {})
    }
    const placed = this.#live.get(payer) ?? 0
    if (placed >= limits.maxCalls) {
      throw new GatewayFailure('limit.concurrent', { expected: `at most ${limits.maxCalls}`, seen: payer })
    }
    // What a trunk sends back to itself is checked as that trunk's call.
    if (forms !== undefined && isUserParty(payer)) checkDestination(payer, limits, forms)
    this.#takeToken(this.#callRates, payer)
    const calls = isTransfer ? 0 : 1
    this.#calls += calls
    this.#live.set(payer, placed + 1)
    return ticket({ payer, isEmergency: false, isOutside }, () => this.#leave(payer, calls))
  }

  #leave(payer: string, calls: number): void {
    this.#calls -= calls
    const left = (this.#live.get(payer) ?? 1) - 1
    if (left === 0) this.#live.delete(payer)
    else this.#live.set(payer, left)
  }

  #take(rates: PartyRates, party: string, { user, trunk }: typeof MESSAGE_RATES): void {
    const rate = isTrunkParty(party) ? trunk : user
    if (rates.take(party, rate, this.#options.nowMs())) return
    throw new GatewayFailure('limit.rate', { expected: `at most ${rate.perSecond} a second`, seen: party })
  }

  #takeToken(rates: PartyRates, party: string): void {
    const { callsPerMinute } = this.limits.of(party)
    if (callsPerMinute === 0) return
    const rate = { perSecond: callsPerMinute / 60, burst: callsPerMinute }
    if (rates.take(party, rate, this.#options.nowMs())) return
    throw new GatewayFailure('limit.rate', { expected: `at most ${callsPerMinute} a minute`, seen: party })
  }

  #counted<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      if (error instanceof GatewayFailure) {
        this.#refused.set(error.code, (this.#refused.get(error.code) ?? 0) + 1)
      }
      throw error
    }
  }
}

/** What a PBX is asked for may be a name, which no list of allowed numbers has. */
const checkPbxForms = (payer: string, limits: OwnLimits, forms: readonly string[]): void =>
  checkDestination(payer, { ...limits, allow: [] }, forms)

/** A PBX sends a number in international form on to outside; what else it is asked for may be an extension. */
const isNumber = ([usual]: readonly string[] = []): boolean => usual?.startsWith('+') === true

function ticket(of: Omit<Ticket, 'release'>, leave: () => void): Ticket {
  let isIn = true
  return {
    ...of,
    release: () => {
      if (!isIn) return
      isIn = false
      leave()
    },
  }
}
