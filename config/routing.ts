import type { Config, RouteConfig } from './config.ts'
import type { RouteRow, Settings } from './settings.ts'

/** What stands in the configuration about numbers and limits, with undefined for what is left out. */
export function routing(settings: Settings): Pick<Config, 'numbers' | 'emergency' | 'limits' | 'routes'> {
  const { numbers, emergency, limits, routes } = settings
  const { user, trunk } = limits
  return {
    numbers: { ...numbers, countryCode: numbers.countryCode ?? undefined },
    emergency:
      emergency.numbers.length === 0
        ? undefined
        : { ...emergency, callerId: emergency.callerId ?? undefined },
    limits: {
      user: { ...user, maxDurationS: user.maxDurationS ?? undefined },
      trunk: { ...trunk, maxDurationS: trunk.maxDurationS ?? undefined },
    },
    routes: routes.map(route),
  }
}

/** The limits that a user or trunk has of its own; the schema has checked each. */
export function ownLimits<Limits>(
  row: Readonly<Record<string, unknown>> | null,
): Partial<Limits> | undefined {
  if (row === null) return undefined
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Partial<Limits>
}

const route = (row: RouteRow): RouteConfig => ({
  ...row,
  from: row.from ?? undefined,
  pattern: row.pattern ?? undefined,
  replace: row.replace ?? undefined,
  trunk: row.trunk ?? undefined,
})
