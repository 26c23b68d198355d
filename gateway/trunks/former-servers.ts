import type { SocketAddress } from '../../sip/flow.ts'

/** Whoever answers for a name decides how often it moves; a day is longer than calls are. */
export const FORMER_LIMITS = { keepMs: 86_400_000, perTrunk: 64 } as const

/** Where a trunk was, until its name stood for something else. */
export interface FormerServer {
  readonly remote: SocketAddress
  readonly leftMs: number
}

/** What is remembered after a look-up, those that left last at the end: `before` it, of `old` servers that are not among the `current` ones. */
export function formerServers(
  before: readonly FormerServer[],
  old: readonly SocketAddress[],
  current: readonly SocketAddress[],
  nowMs: number,
): readonly FormerServer[] {
  const here = new Set(current.map(keyOf))
  const left = old.filter((remote) => !here.has(keyOf(remote))).map((remote) => ({ remote, leftMs: nowMs }))
  const known = before.filter(
    ({ remote, leftMs }) => !here.has(keyOf(remote)) && nowMs - leftMs < FORMER_LIMITS.keepMs,
  )
  return [...known, ...left].slice(-FORMER_LIMITS.perTrunk)
}

const keyOf = ({ address, port }: SocketAddress): string => `${address} ${port}`
