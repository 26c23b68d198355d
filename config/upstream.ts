import type { TrunkConfig, UpstreamConfig } from './config.ts'
import { rowValue } from './format.ts'
import { listed } from './listeners.ts'
import { type BuildContext, keyPair } from './named-files.ts'
import { ROWS } from './schema.ts'
import type { Settings, TrunkRow } from './settings.ts'

/** The name under which the PBX that keeps the registrations stands in logs and among the trunks. */
export const UPSTREAM = 'upstream'

/** The PBX of registration.registrar: upstream; undefined when we are the registrar. `trunk` builds the peer that it is. */
export function upstream(
  { registration, upstream: settings, tls }: Settings,
  trunk: (row: TrunkRow, key: string, context: BuildContext) => TrunkConfig,
  context: BuildContext,
): UpstreamConfig | undefined {
  const { host, transport } = settings
  if (registration.registrar === 'local' || host === null) return undefined
  const { certificate, key } = tls
  return {
    trunk: trunk(rowOf(settings, host), UPSTREAM, context),
    credentials: registration.credentials,
    domain: (settings.domain ?? host).toLowerCase(),
    local: {
      host: listed(settings.localHost),
      port: settings.localPort,
      announced: listed(settings.announced),
    },
    certificate:
      transport === 'tls' && certificate !== null && key !== null
        ? keyPair(certificate, key, 'tls', context)
        : undefined,
    path: settings.path,
    expiresS: settings.expiresS,
    graceS: settings.graceS,
  }
}

/** What a row of `trunks` would say of it; a trunk's own keys have their defaults. */
function rowOf(settings: Settings['upstream'], host: string): TrunkRow {
  const given: Readonly<Record<string, unknown>> = { ...settings, name: UPSTREAM, host }
  const filled = Object.entries(ROWS.trunks).map(
    ([name, field]) => [name, rowValue(given, name, field)] as const,
  )
  // The schema has checked what is given, and the rest are its defaults.
  return Object.fromEntries(filled) as unknown as TrunkRow
}
