/**
 * Tables that a finished call leaves until their time is over: RFC 3261 §17 keeps a transaction for up to 32 s, so that it
 * answers what is repeated.
 */
const TRANSACTION_TABLES: readonly string[] = [
  'clientTransactions',
  'unansweredRequests',
  'serverTransactions',
  'mergeKeys',
  'busyScopes',
  'busyConnections',
  // An answered INVITE of ours to a device keeps its connection as long as its transaction; a dialog is counted by itself.
  'flowsInUse',
  'timers',
]

interface Line {
  readonly message: string
  readonly tables?: unknown
}

/**
 * What the tables hold that the daemon tells of when it stops, those of transactions left out unless asked for; undefined
 * when it has told nothing (it was killed, or never came up).
 */
export function leftTables(
  log: readonly Line[],
  withTransactions: boolean,
): readonly (readonly [string, number])[] | undefined {
  const tables = log.findLast(({ message }) => message === 'counters')?.tables
  if (typeof tables !== 'object' || tables === null) return undefined
  const sizes = new Map(Object.entries(tables).map(([name, size]) => [name, Number(size)]))
  if (!withTransactions) {
    // A dialog stays until its BYE has an answer, an INVITE until it has one; a peer that is gone gives none for 32 s.
    const ending = sizes.get('unansweredRequests') ?? 0
    for (const name of ['dialogs', 'outgoingInvites']) {
      sizes.set(name, Math.max(0, (sizes.get(name) ?? 0) - ending))
    }
    for (const name of TRANSACTION_TABLES) sizes.delete(name)
  }
  return [...sizes].filter(([, size]) => size !== 0)
}
