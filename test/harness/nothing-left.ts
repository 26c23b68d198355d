import { expect } from 'vitest'
import type { Daemon } from './daemon.ts'

/**
 * Tables that a finished call leaves until their time is over: RFC 3261 §17 keeps a transaction for up to 32 s, so that it
 * answers what is repeated. `afterTransactions` of `expectNothingLeft` wants them empty too.
 */
const TRANSACTION_TABLES: readonly string[] = [
  'clientTransactions',
  'serverTransactions',
  'mergeKeys',
  'busyScopes',
  'busyConnections',
  'timers',
]
/** 64 * T1, and a little. */
const TRANSACTION_LIFETIME_MS = 34_000

/**
 * Stops the daemon and reads the sizes of all its tables from what it says then. Fails when a call, a dialog, an INVITE, a
 * media session or port is left; with `afterTransactions` when anything at all is.
 */
export const expectNothingLeft = async (daemon: Daemon, afterTransactions = false): Promise<void> => {
  try {
    await daemon.waitForNoCalls()
    if (afterTransactions) await new Promise((resolve) => setTimeout(resolve, TRANSACTION_LIFETIME_MS))
  } finally {
    await daemon.stop()
  }
  const tables = daemon.log.findLast(({ message }) => message === 'counters')?.tables
  expect(tables, daemon.output).toBeTypeOf('object')
  const left = Object.entries(tables ?? {}).filter(
    ([name, size]) => size !== 0 && (afterTransactions || !TRANSACTION_TABLES.includes(name)),
  )
  expect(left, daemon.output.slice(-8_000)).toEqual([])
  const defects = daemon.log.filter(({ level }) => level === 'error')
  expect(defects).toEqual([])
}
