/** A protocol machine: no socket, no timer, no clock, no log. */
export interface Machine<Input, Output> {
  handle(input: Input, nowMs: number): readonly Output[]
  /** When to call `handle({ kind: 'timeout' }, now)`; undefined means never. */
  readonly deadlineMs: number | undefined
}

/** How long one timer of a table runs. */
export interface TimerRule {
  /** Undefined: the timer is off. Zero: it fires as soon as its state is entered. */
  firstMs(reliable: boolean): number | undefined
  /** The next interval of a timer that repeats while its state lasts. */
  nextMs?(intervalMs: number, state: string): number
}

/**
 * One state: the timers that may run in it, and for each event the next state and what to do.
 * A timer lives as long as the states that list it: it starts on entering the first of them and ends on leaving the last.
 */
export interface StateRow<State extends string, Event extends string, Timer extends string, Action> {
  readonly timers: readonly Timer[]
  readonly on: Readonly<Partial<Record<Event | Timer, readonly [State, ...Action[]]>>>
}

export type StateTable<State extends string, Event extends string, Timer extends string, Action> = Readonly<
  Record<State, StateRow<State, Event, Timer, Action>>
>

interface Running {
  deadlineMs: number
  intervalMs: number
}

/** Walks a state table: keeps the state and its timers. An event without an entry in the row of the state is ignored. */
export class StateTableWalk<State extends string, Event extends string, Timer extends string, Action> {
  readonly #table: StateTable<State, Event, Timer, Action>
  readonly #rules: Readonly<Record<Timer, TimerRule>>
  readonly #reliable: boolean
  readonly #running = new Map<Timer, Running>()
  #state: State

  constructor(
    table: StateTable<State, Event, Timer, Action>,
    rules: Readonly<Record<Timer, TimerRule>>,
    initial: { readonly state: State; readonly reliable: boolean; readonly nowMs: number },
  ) {
    this.#table = table
    this.#rules = rules
    this.#reliable = initial.reliable
    this.#state = initial.state
    this.#startTimers(initial.nowMs)
  }

  get state(): State {
    return this.#state
  }

  get deadlineMs(): number | undefined {
    let earliest: number | undefined
    for (const timer of this.#running.values()) {
      if (earliest === undefined || timer.deadlineMs < earliest) earliest = timer.deadlineMs
    }
    return earliest
  }

  /** What `event` makes the machine do; timers of length zero that it starts fire at once. */
  fire(event: Event, nowMs: number): readonly Action[] {
    const actions = this.#step(event, nowMs)
    for (const name of this.#table[this.#state].timers) {
      if (this.#running.get(name)?.intervalMs === 0) actions.push(...this.#fireTimer(name, nowMs))
    }
    return actions
  }

  /** Fires what is due, earliest first. A machine that was asleep for long fires each repeating timer once. */
  expire(nowMs: number): readonly Action[] {
    const due = [...this.#running]
      .filter(([, timer]) => timer.deadlineMs <= nowMs)
      .sort(([, left], [, right]) => left.deadlineMs - right.deadlineMs)
    const actions: Action[] = []
    for (const [name] of due) actions.push(...this.#fireTimer(name, nowMs))
    return actions
  }

  #fireTimer(name: Timer, nowMs: number): readonly Action[] {
    const timer = this.#running.get(name)
    // An earlier timer of the same round may have ended the state.
    if (timer === undefined) return []
    this.#running.delete(name)
    const before = this.#state
    const actions = this.#step(name, nowMs)
    const next = this.#rules[name].nextMs?.(timer.intervalMs, this.#state)
    if (next !== undefined && this.#state === before) this.#start(name, next, nowMs)
    return actions
  }

  #step(event: Event | Timer, nowMs: number): Action[] {
    const entry = this.#table[this.#state].on[event]
    if (entry === undefined) return []
    const { to, actions } = splitEntry<State, Action>(entry)
    if (to !== this.#state) {
      this.#state = to
      this.#startTimers(nowMs)
    }
    return actions
  }

  #startTimers(nowMs: number): void {
    const wanted = this.#table[this.#state].timers
    for (const name of this.#running.keys()) {
      if (!wanted.includes(name)) this.#running.delete(name)
    }
    for (const name of wanted) {
      const firstMs = this.#rules[name].firstMs(this.#reliable)
      if (firstMs !== undefined && !this.#running.has(name)) this.#start(name, firstMs, nowMs)
    }
  }

  #start(name: Timer, intervalMs: number, nowMs: number): void {
    this.#running.set(name, { deadlineMs: nowMs + intervalMs, intervalMs })
  }
}

const splitEntry = <State, Action>(
  entry: readonly [State, ...Action[]],
): { readonly to: State; readonly actions: Action[] } => {
  const [to, ...rest] = entry
  return { to, actions: rest as Action[] }
}
