import type { TimerRule } from './state-table.ts'

/** RFC 3261 §17.1.1.1, §17.1.2.2: round trip estimate, longest retransmission interval, longest life of a message in the network. */
export const T1_MS = 500
export const T2_MS = 4_000
const T4_MS = 5_000

/** How long a transaction or an unacknowledged 2xx lasts at most. */
export const TRANSACTION_LIFETIME_MS = 64 * T1_MS

/** RFC 3261 §13.3.1.1: a proxy ends an INVITE that shows no sign of life for three minutes. */
const PROGRESS_REFRESH_MS = 60_000

const always = (ms: number): TimerRule => ({ firstMs: () => ms })
/** Waits for stray copies, which a reliable transport does not make. */
const linger = (ms: number): TimerRule => ({ firstMs: (reliable) => (reliable ? 0 : ms) })
/** Sends again; off where the transport is reliable. */
const repeat = (nextMs: (intervalMs: number, state: string) => number): TimerRule => ({
  firstMs: (reliable) => (reliable ? undefined : T1_MS),
  nextMs,
})

/** The timers of RFC 3261 §17 table 4 and RFC 6026 §7, and two of our own. */
export const TIMERS = {
  A: repeat((intervalMs) => 2 * intervalMs),
  B: always(TRANSACTION_LIFETIME_MS),
  D: linger(TRANSACTION_LIFETIME_MS),
  E: repeat((intervalMs, state) => (state === 'proceeding' ? T2_MS : Math.min(2 * intervalMs, T2_MS))),
  F: always(TRANSACTION_LIFETIME_MS),
  G: repeat((intervalMs) => Math.min(2 * intervalMs, T2_MS)),
  /**
   * RFC 3261 has it on every transport. Over a reliable one nothing is repeated meanwhile, so that nobody waits for the ACK
   * here: refused INVITEs of strangers would fill the table and shut everyone else out (§8.2.7).
   */
  H: linger(TRANSACTION_LIFETIME_MS),
  I: linger(T4_MS),
  J: linger(TRANSACTION_LIFETIME_MS),
  K: linger(T4_MS),
  L: always(TRANSACTION_LIFETIME_MS),
  M: always(TRANSACTION_LIFETIME_MS),
  /** Repeats the last provisional response to an INVITE that stays unanswered. */
  refresh: { firstMs: () => PROGRESS_REFRESH_MS, nextMs: () => PROGRESS_REFRESH_MS },
  /** An answer to a request other than INVITE is of no use after this (RFC 4320 §4.2), so the transaction ends in silence. */
  unanswered: always(TRANSACTION_LIFETIME_MS),
} as const satisfies Record<string, TimerRule>
