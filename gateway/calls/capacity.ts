import type { Config } from '../../config/config.ts'

/** Limits of the SIP tables; each call takes about four transactions and two dialogs. */
const TRANSACTIONS_PER_CALL = 16
const DIALOGS_PER_CALL = 4
const MAX_FORKS = 16

/** Emergency calls have places of their own. */
export const mostCalls = ({ calls, emergency }: Config): number => calls.maxCalls + (emergency?.maxCalls ?? 0)

/** How large the tables of SIP may grow for so many calls. */
export function sipLimits(config: Config) {
  return {
    maxServerTransactions: mostCalls(config) * TRANSACTIONS_PER_CALL,
    maxClientTransactions: mostCalls(config) * TRANSACTIONS_PER_CALL,
    maxDialogs: mostCalls(config) * DIALOGS_PER_CALL,
    maxForks: MAX_FORKS,
  }
}
