import type { TrunkConfig, TrunkTlsConfig } from '../../config/config.ts'
import { PROFILES } from '../../config/trunk-profiles.ts'
import type { TrunkResolver } from '../../gateway/trunks/trunk.ts'

/** A trunk as the configuration gives it, with everything left out but its address. */
export const trunkConfig = (over: Partial<TrunkConfig> = {}): TrunkConfig => ({
  name: 'pbx',
  host: '127.0.0.1',
  port: 5060,
  transport: 'udp',
  tls: undefined,
  account: undefined,
  inbound: undefined,
  optionsS: 0,
  maxCalls: 0,
  sources: [],
  profile: 'generic',
  ...PROFILES.generic,
  mediaPorts: 'per-call',
  callerId: undefined,
  trusted: false,
  ...over,
})

/** A DNS that knows nothing but addresses, each the same for every host unless `addresses` has it. */
export const resolverOf = (addresses: ReadonlyMap<string, readonly string[]> = new Map()): TrunkResolver => ({
  naptr: async () => ({ records: [], ttlS: undefined }),
  srv: async () => ({ records: [], ttlS: undefined }),
  addresses: async (host) => ({ records: addresses.get(host) ?? [], ttlS: undefined }),
  localAddressTowards: async () => '127.0.0.1',
})

/** TLS towards a trunk that is `pbx.example.com` by a certificate of this authority (PEM). */
export const tlsOfPbx = (ca: string): TrunkTlsConfig => ({
  name: 'pbx.example.com',
  ca,
  certificate: undefined,
  key: undefined,
  alpn: false,
  wildcards: false,
  requireCertificate: false,
  minVersion: '1.2',
})
