import type { Mistake } from './failure.ts'
import type { Settings, TrunkRow } from './settings.ts'

/** A rule about more than one value. It is asked only when the keys it reads are each right by themselves. */
export interface CrossCheck {
  readonly keys: readonly string[]
  find(settings: Settings, isDemo: boolean): readonly Mistake[]
}

export const when = (isWrong: boolean, key: string, expected: string, seen: string): readonly Mistake[] =>
  isWrong ? [{ key, expected, seen }] : []

/** Every row whose identity an earlier row has already. */
export function repeated<Row>(
  list: string,
  rows: readonly Row[],
  what: string,
  identity: (row: Row) => string,
): readonly Mistake[] {
  const first = new Map<string, number>()
  return rows.flatMap((row, index) => {
    const name = identity(row)
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, index)
    return when(
      earlier !== undefined,
      `${list}[${index}]`,
      `a ${what} of its own`,
      `that of ${list}[${earlier}]`,
    )
  })
}

/** A key of a mapping, whose defaults are not filled in. */
export const isGiven = (value: unknown): boolean => value !== undefined && value !== null

const LEAST_SESSION_S = 90

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
