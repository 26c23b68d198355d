import type { Config } from '../../config/config.ts'

/** Limits of the SIP tables; each call takes about four transactions and two dialogs, and so does each device that rings for it. */
const TRANSACTIONS_PER_CALL = 16
/**
 * Beside those of calls: over UDP an answered request keeps its place for 32 s, and a PBX sends pings, keys and
 * messages however few calls there may be. 32 s of 128 a second.
 */
const OTHER_TRANSACTIONS = 4_096
const DIALOGS_PER_CALL = 4
/** Beside those of calls: devices of groups that ring at a time. */
const RINGING_DEVICES = 1_000
/** What they leave to calls that come in and to emergency calls. */
const RESERVED_PER_CALL = 2
const MAX_FORKS = 16

/** Emergency calls have places of their own. */
export const mostCalls = ({ calls, emergency }: Config): number => calls.maxCalls + (emergency?.maxCalls ?? 0)

/** How large the tables of SIP may grow for so many calls. */
export function sipLimits(config: Config) {
  const calls = mostCalls(config)
  return {
    maxServerTransactions: calls * TRANSACTIONS_PER_CALL + OTHER_TRANSACTIONS,
    maxClientTransactions: calls * TRANSACTIONS_PER_CALL + RINGING_DEVICES,
    maxDialogs: calls * DIALOGS_PER_CALL + RINGING_DEVICES,
    reserved: calls * RESERVED_PER_CALL,
    maxForks: MAX_FORKS,
  }
}
