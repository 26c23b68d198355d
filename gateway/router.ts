import type { RouteConfig } from '../config/config.ts'
import { GatewayFailure } from './gateway-failure.ts'

/** Who places the call. A trunk reaches users only: it must never get out by another trunk. */
export type Caller =
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'trunk'; readonly trunk: string }

export type ApplicationName = 'echo' | 'tone'

export type Destination =
  | { readonly kind: 'user'; readonly user: string }
  | { readonly kind: 'application'; readonly name: ApplicationName }
  | { readonly kind: 'trunk'; readonly trunk: string; readonly number: string }

const APPLICATIONS: readonly string[] = ['echo', 'tone'] satisfies ApplicationName[]

const isApplication = (name: string): name is ApplicationName => APPLICATIONS.includes(name)

/**
 * Where a dialled user part goes: a user of ours, then `echo` and `tone`, then the first route whose prefix fits.
 * Throws `call.unknown-number`.
 */
export function route(
  dialled: string,
  caller: Caller,
  users: ReadonlySet<string>,
  routes: readonly RouteConfig[],
): Destination {
  if (users.has(dialled)) return { kind: 'user', user: dialled }
  if (caller.kind === 'user') {
    if (isApplication(dialled)) return { kind: 'application', name: dialled }
    const match = routes.find((row) => dialled.startsWith(row.prefix))
    if (match !== undefined) {
      return { kind: 'trunk', trunk: match.trunk, number: `${match.add}${dialled.slice(match.strip)}` }
    }
  }
  throw new GatewayFailure('call.unknown-number', { seen: dialled })
}
