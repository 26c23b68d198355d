import type { Mistake } from './failure.ts'
import { type CrossCheck, isGiven, repeated, when } from './mistakes.ts'
import type { TrunkRow } from './settings.ts'

const LEAST_SESSION_S = 90

const needsCertificate = (tls: TrunkRow['tls']): boolean => tls?.requireCertificate === true

/** A network of more than one address. */
const isWide = (source: string): boolean => {
  const [address = '', prefix] = source.split('/')
  return prefix !== undefined && Number(prefix) < (address.includes(':') ? 128 : 32)
}

/** What an incoming request of a trunk is known by. */
export function distinction({ host, port, transport, tls, inbound, account }: TrunkRow): string {
  const usual = transport === 'tls' ? 5061 : 5060
  const own = [
    inbound?.user,
    inbound?.domain,
    needsCertificate(tls) ? (tls?.name ?? host) : '',
    account?.register === true ? account.user : '',
  ]
  return [host, port ?? usual, ...own].join(' ').toLowerCase()
}

/** What the media and the session of a trunk, or of the PBX that is none, must be. */
export const mediaMistakes = (
  key: string,
  row: Pick<
    TrunkRow,
    | 'codecs'
    | 'suites'
    | 'media'
    | 'osrtp'
    | 'transport'
    | 'clearKeys'
    | 'ptimeMs'
    | 'sessionExpiresS'
    | 'profile'
  >,
): readonly Mistake[] => {
  const { codecs, suites, media, osrtp, transport, clearKeys, ptimeMs, sessionExpiresS, profile } = row
  const hasKeys = media === 'sdes' || osrtp !== 'off'
  return [
    ...when(codecs.length === 0, `${key}.codecs`, 'at least one codec', 'none'),
    ...when(osrtp !== 'off' && media !== 'rtp', `${key}.osrtp`, 'off, because media is not rtp', osrtp),
    ...when(
      hasKeys && suites.length === 0,
      `${key}.suites`,
      'at least one suite for keys in the SDP',
      'none',
    ),
    ...when(
      hasKeys && transport !== 'tls' && !clearKeys,
      `${key}.transport`,
      `tls, because ${profile} sends media keys over nothing else (or clearKeys: true)`,
      transport,
    ),
    ...when(ptimeMs % 10 !== 0, `${key}.ptimeMs`, 'a multiple of 10', String(ptimeMs)),
    ...when(
      sessionExpiresS > 0 && sessionExpiresS < LEAST_SESSION_S,
      `${key}.sessionExpiresS`,
      `at least ${LEAST_SESSION_S} (RFC 4028), or 0`,
      String(sessionExpiresS),
    ),
    ...repeated(`${key}.codecs`, codecs, 'codec', (codec) => codec),
    ...repeated(`${key}.suites`, suites, 'suite', (suite) => suite),
  ]
}

/** What an account must have. */
export const accountMistakes = (
  key: string,
  account: Readonly<Record<string, unknown>> | null,
): readonly Mistake[] =>
  when(
    account !== null && isGiven(account.password) === isGiven(account.passwordFile),
    key,
    'one of password, passwordFile',
    isGiven(account?.password) ? 'both' : 'none',
  )

/** What TLS with a peer must have. */
export const tlsMistakes = (key: string, tls: Readonly<Record<string, unknown>> | null): readonly Mistake[] =>
  when(
    isGiven(tls?.certificate) !== isGiven(tls?.key),
    key,
    'certificate and key, both or none',
    'one of them',
  )

/** How requests of a trunk may be known. */
export const inboundMistakes = (key: string, { inbound, sources, tls }: TrunkRow): readonly Mistake[] => {
  const [user, domain] = [isGiven(inbound?.user), isGiven(inbound?.domain)]
  const passwords = [inbound?.password, inbound?.passwordFile].filter(isGiven).length
  return [
    ...when(inbound !== null && !user && !domain, `${key}.inbound`, 'user or domain', 'neither'),
    ...when(
      user && passwords !== 1,
      `${key}.inbound`,
      'one of password, passwordFile',
      passwords === 0 ? 'none' : 'both',
    ),
    ...when(
      inbound?.md5Only === true && inbound.md5 === false,
      `${key}.inbound`,
      'md5 or no md5Only',
      'md5: false and md5Only: true',
    ),
    ...when(
      !user && domain && passwords > 0,
      `${key}.inbound`,
      'a user, because there is a password',
      'none',
    ),
    // Whoever is in it would be the trunk.
    ...when(
      sources.some(isWide) && !user && !needsCertificate(tls),
      `${key}.sources`,
      'addresses, or networks and inbound.user or tls.requireCertificate',
      'a network',
    ),
  ]
}

/** Names of trunks and groups, and what refers to them. */
export const GROUP_CHECKS: readonly CrossCheck[] = [
  {
    keys: ['trunks', 'groups'],
    find: ({ trunks, groups }) => {
      const names = new Set(trunks.map(({ name }) => name))
      return [
        ...repeated('groups', groups, 'name', ({ name }) => name),
        ...groups.flatMap(({ name, trunks: members }, index) => [
          ...when(names.has(name), `groups[${index}].name`, 'a name that no trunk has', JSON.stringify(name)),
          ...when(members.length === 0, `groups[${index}].trunks`, 'at least one trunk', 'none'),
          ...repeated(`groups[${index}].trunks`, members, 'trunk', ({ trunk }) => String(trunk)),
          ...members.flatMap(({ trunk }, at) =>
            when(
              !names.has(String(trunk)),
              `groups[${index}].trunks[${at}].trunk`,
              'the name of a trunk',
              JSON.stringify(trunk),
            ),
          ),
        ]),
      ]
    },
  },
]
