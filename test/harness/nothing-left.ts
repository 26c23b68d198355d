import { expect } from 'vitest'
import type { Daemon } from './daemon.ts'
import { leftTables } from './left-tables.ts'

/** 64 * T1, and a little. */
const TRANSACTION_LIFETIME_MS = 34_000

/**
 * Stops the daemon and reads the sizes of all its tables from what it says then. Fails when a call, a dialog, an INVITE, a
 * media session or port is left; with `afterTransactions` when anything at all is.
 */
export const expectNothingLeft = async (daemon: Daemon, afterTransactions = false): Promise<void> => {
  let status: number
  try {
    await daemon.waitForNoCalls()
    if (afterTransactions) await new Promise((resolve) => setTimeout(resolve, TRANSACTION_LIFETIME_MS))
  } finally {
    status = await daemon.stop()
  }
  expect(status, daemon.output.slice(-8_000)).toBe(0)
  expect(leftTables(daemon.log, afterTransactions), daemon.output.slice(-8_000)).toEqual([])
  expect(daemon.unexpectedErrors).toEqual([])
}
