import type { Mistake } from './failure.ts'
import { compileNumberPattern, PatternError } from './number-pattern.ts'
import type { RouteRow, Settings } from './settings.ts'

/** What is wrong with the rules of numbers, beyond the form of each value. */
export function mistakesInRoutes({ trunks, groups, users, routes }: Settings): readonly Mistake[] {
  const names = {
    trunks: new Set(trunks.map(({ name }) => name)),
    ways: new Set([...trunks, ...groups].map(({ name }) => name)),
    users: new Set(users.map(({ name }) => name)),
  }
  return routes.flatMap((row, index) => {
    const mistakes: Mistake[] = []
    const wrong = (key: string, expected: string, seen: string): void => {
      mistakes.push({ key: `routes[${index}]${key}`, expected, seen })
    }
    if (row.from !== null && !names.trunks.has(row.from))
      wrong('.from', 'the name of a trunk', JSON.stringify(row.from))
    if (row.trunk !== null && !names.ways.has(row.trunk))
      wrong('.trunk', 'the name of a trunk or group', JSON.stringify(row.trunk))
    for (const user of row.users)
      if (!names.users.has(user)) wrong('.users', 'names of users', JSON.stringify(user))
    checkTarget(row, wrong)
    checkRule(row, wrong)
    return mistakes
  })
}

type Wrong = (key: string, expected: string, seen: string) => void

function checkTarget({ from, trunk, users }: RouteRow, wrong: Wrong): void {
  if (trunk !== null && users.length > 0) wrong('', 'trunk or users', 'both')
  // Whoever calls our number must never get out by a trunk of ours: that is how toll fraud works.
  if (from !== null && trunk !== null) wrong('.trunk', 'users, because a trunk reaches nothing else', trunk)
  if (from === null && trunk === null && users.length === 0) wrong('', 'trunk or users', 'none')
}

function checkRule({ prefix, pattern, strip, add, replace }: RouteRow, wrong: Wrong): void {
  if (pattern === null) {
    if (replace !== null) wrong('.replace', 'a pattern with it', 'none')
    return
  }
  if (prefix !== '') wrong('.prefix', 'prefix or pattern', 'both')
  if (replace !== null && (strip > 0 || add !== '')) wrong('.replace', 'replace, or strip and add', 'both')
  try {
    const { groups } = compileNumberPattern(pattern)
    const wanted = Math.max(
      0,
      ...Array.from((replace ?? '').matchAll(/\$(\d)/g), ([, digit]) => Number(digit)),
    )
    if (wanted > groups)
      wrong('.replace', `at most $${groups}, because pattern has that many groups`, `$${wanted}`)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    wrong('.pattern', 'a regular expression of the kind in the documentation', error.message)
  }
}

/** Emergency numbers have somewhere to go, or there are none. */
export function mistakesInEmergency({ emergency, trunks, groups }: Settings): readonly Mistake[] {
  const names = new Set([...trunks, ...groups].map(({ name }) => name))
  const { numbers, trunks: ways } = emergency
  const unknown = ways.flatMap((name, index) =>
    names.has(name)
      ? []
      : [
          {
            key: `emergency.trunks[${index}]`,
            expected: 'the name of a trunk or group',
            seen: JSON.stringify(name),
          },
        ],
  )
  if ((numbers.length === 0) === (ways.length === 0)) return unknown
  const key = numbers.length === 0 ? 'numbers' : 'trunks'
  return [
    ...unknown,
    { key: `emergency.${key}`, expected: 'numbers and trunks, both or none', seen: 'one of them' },
  ]
}
