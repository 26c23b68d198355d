import { SipFailure } from '../../sip/failure.ts'
import { type Credentials, credentials } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { quote } from '../../sip/message/parameters.ts'

/** Credentials of one request that pass: two parties on the way may have asked, by two algorithms each. */
export const MAX_PASSED_CREDENTIALS = 4
/** Characters of one of them. */
export const MAX_CREDENTIAL_LENGTH = 2_048
/** Challenges of one response that pass; what is beyond is left out. */
const MAX_PASSED_CHALLENGES = 8

const OURS = ['Authorization', 'Proxy-Authorization'] as const
const THEIRS = ['WWW-Authenticate', 'Proxy-Authenticate'] as const

/** Parameters of a challenge that stand without quotes (RFC 7616 §3.3). */
const UNQUOTED: ReadonlySet<string> = new Set(['algorithm', 'stale', 'charset', 'userhash'])

/** What a user shows the PBX, as it came. Throws `sip.too-large`. */
export function passedCredentials(request: Pick<SipRequest, 'headers'>): readonly Header[] {
  const given = request.headers.filter(({ name }) => OURS.some((known) => known === name))
  const longest = Math.max(0, ...given.map(({ value }) => value.length))
  if (given.length > MAX_PASSED_CREDENTIALS || longest > MAX_CREDENTIAL_LENGTH) {
    throw new SipFailure('sip.too-large', {
      expected: `at most ${MAX_PASSED_CREDENTIALS} credentials of ${MAX_CREDENTIAL_LENGTH} characters`,
      seen: `${given.length} of ${longest}`,
    })
  }
  return given
}

/**
 * The challenges of a 401 or 407 as they pass to a browser. `auth-int` is taken out: it would cover the body, and each leg has a
 * body of its own; a challenge that wants nothing else is left out. MD5 comes last, because SIP.js and JsSIP keep the last
 * line and know no other algorithm.
 */
export function passedChallenges(response: SipResponse): readonly Header[] {
  const passed = THEIRS.flatMap((name) =>
    credentials(response, name).flatMap((challenge) => {
      const value = withoutAuthInt(challenge)
      return value === undefined ? [] : [{ header: { name, value }, isLast: isMd5(challenge) }]
    }),
  )
  const [first, last] = [passed.filter(({ isLast }) => !isLast), passed.filter(({ isLast }) => isLast)]
  return [...first, ...last].slice(0, MAX_PASSED_CHALLENGES).map(({ header }) => header)
}

/** Whether credentials were shown and the PBX does not take them; a nonce that is only stale says nothing of the password. */
export function isWrongPassword(request: Pick<SipRequest, 'headers'>, response: SipResponse): boolean {
  const isShown = OURS.some((name) => credentials(request, name).length > 0)
  if (!isShown || (response.status !== 401 && response.status !== 403 && response.status !== 407))
    return false
  return !THEIRS.flatMap((name) => credentials(response, name)).some(
    ({ parameters }) => parameters.get('stale')?.toLowerCase() === 'true',
  )
}

export const isChallenge = ({ status }: SipResponse): boolean => status === 401 || status === 407

const isMd5 = ({ scheme, parameters }: Credentials): boolean =>
  scheme === 'digest' && (parameters.get('algorithm') ?? 'MD5').toUpperCase() === 'MD5'

/** The challenge as it came where nothing has to be taken out; undefined when nothing would be left. */
function withoutAuthInt({ scheme, parameters, text }: Credentials): string | undefined {
  const qops = parameters
    .get('qop')
    ?.split(',')
    .map((qop) => qop.trim())
  const kept = qops?.filter((qop) => qop.toLowerCase() !== 'auth-int')
  if (scheme !== 'digest') return `${scheme} ${text}`
  if (qops === undefined || kept === undefined || kept.length === qops.length) return `Digest ${text}`
  if (kept.length === 0) return undefined
  const rewritten = new Map(parameters).set('qop', kept.join(', '))
  const parts = [...rewritten].map(([name, value]) => `${name}=${UNQUOTED.has(name) ? value : quote(value)}`)
  return `Digest ${parts.join(', ')}`
}
