import { LISTENER_CHECKS } from './listener-checks.ts'
import { type CrossCheck, repeated, when } from './mistakes.ts'
import { mistakesInEmergency, mistakesInRoutes } from './routing-checks.ts'
import type { Settings } from './settings.ts'
import {
  accountMistakes,
  distinction,
  GROUP_CHECKS,
  inboundMistakes,
  mediaMistakes,
  tlsMistakes,
} from './trunk-checks.ts'
import { UPSTREAM_CHECKS } from './upstream-checks.ts'
import { webrtcPorts } from './webrtc-ports.ts'

const signsInByToken = (jwt: Settings['registration']['jwt']): boolean =>
  jwt.secret !== null || jwt.secretFile !== null || jwt.jwksFile !== null

export const CROSS_CHECKS: readonly CrossCheck[] = [
  ...LISTENER_CHECKS,
  {
    keys: ['metrics'],
    find: ({ metrics: { host, port, token, tokenFile } }) => [
      ...when(token !== null && tokenFile !== null, 'metrics', 'token or tokenFile', 'both'),
      ...when(
        port !== 'off' && token === null && tokenFile === null && !/^(?:127\.|::1$)/.test(host),
        'metrics.token',
        'a token, because metrics.host is not this machine alone',
        'nothing',
      ),
    ],
  },
  {
    keys: ['users', 'registration.jwt'],
    find: ({ users, registration: { jwt } }) => [
      ...repeated('users', users, 'name', ({ name }) => name),
      ...users.flatMap(({ password, passwordFile, ha1 }, index) => {
        const given = [password, passwordFile, ha1].filter((key) => key !== null)
        return [
          ...when(
            given.length > 1 || (given.length === 0 && !signsInByToken(jwt)),
            `users[${index}]`,
            'one of password, passwordFile, ha1',
            given.length === 0 ? 'none' : String(given.length),
          ),
          ...when(
            ha1 !== null && Object.values(ha1).every((hash) => hash === null),
            `users[${index}].ha1`,
            'at least one hash',
            'none',
          ),
        ]
      }),
    ],
  },
  {
    keys: ['turn'],
    find: ({ turn: { urls, secret, secretFile } }) => {
      const secrets = [secret, secretFile].filter((given) => given !== null).length
      return [
        ...when(
          urls.length > 0 && secrets !== 1,
          'turn',
          'either secret or secretFile, because turn.urls is set',
          secrets === 0 ? 'none' : 'both',
        ),
        ...when(urls.length === 0 && secrets > 0, 'turn.urls', 'at least one URL', 'none'),
      ]
    },
  },
  {
    keys: ['registration.jwt'],
    find: ({ registration: { jwt } }) => {
      const keys = [jwt.secret, jwt.secretFile, jwt.jwksFile].filter((key) => key !== null).length
      const isOn = keys > 0 || jwt.issuer !== null || jwt.audience !== null
      return [
        ...when(
          isOn && keys !== 1,
          'registration.jwt',
          'one of secret, secretFile, jwksFile',
          keys === 0 ? 'none' : String(keys),
        ),
        // Without both, a token that the issuer gave to another application would sign in here.
        ...(['issuer', 'audience'] as const).flatMap((name) =>
          when(
            isOn && jwt[name] === null,
            `registration.jwt.${name}`,
            'text, because tokens sign in',
            'nothing',
          ),
        ),
      ]
    },
  },
  {
    keys: ['trunks'],
    find: ({ trunks }, isDemo) => [
      ...when(
        isDemo && trunks.length > 0,
        'trunks',
        'none without a config file',
        `a list of ${trunks.length}`,
      ),
      ...repeated('trunks', trunks, 'name', ({ name }) => name),
      ...repeated(
        'trunks',
        trunks,
        'host and port, or inbound.user, inbound.domain, registered account or required certificate',
        distinction,
      ),
      ...trunks.flatMap((row, index) => [
        ...when(
          row.tls !== null && row.transport !== 'tls' && row.transport !== 'auto',
          `trunks[${index}].tls`,
          'transport tls',
          row.transport,
        ),
        ...tlsMistakes(`trunks[${index}].tls`, row.tls),
        ...accountMistakes(`trunks[${index}].account`, row.account),
        ...inboundMistakes(`trunks[${index}]`, row),
        ...when(
          row.mediaPorts === 'shared' && row.media === 'dtls',
          `trunks[${index}].mediaPorts`,
          'per-call, because media is dtls',
          row.mediaPorts,
        ),
      ]),
      ...trunks.flatMap((row, index) => mediaMistakes(`trunks[${index}]`, row)),
    ],
  },
  {
    keys: ['trunks', 'tcp.port', 'tls.port'],
    find: ({ trunks, tcp, tls }) =>
      trunks.flatMap(({ transport }, index) =>
        // Inside a call the peer connects to our Contact.
        when(
          (transport === 'tcp' && tcp.port === 'off') || (transport === 'tls' && tls.port === 'off'),
          `trunks[${index}].transport`,
          `${transport}.port, where the trunk reaches us`,
          'off',
        ),
      ),
  },
  ...GROUP_CHECKS,
  { keys: ['trunks', 'groups', 'users', 'routes'], find: mistakesInRoutes },
  { keys: ['trunks', 'groups', 'emergency'], find: mistakesInEmergency },
  {
    keys: ['registration'],
    find: ({ registration: { minExpiresS, maxExpiresS } }) =>
      when(
        minExpiresS > maxExpiresS,
        'registration.minExpiresS',
        `at most registration.maxExpiresS (${maxExpiresS})`,
        String(minExpiresS),
      ),
  },
  {
    keys: [
      'media.rtpPortMin',
      'media.rtpPortMax',
      'calls.maxCalls',
      'trunks',
      'registration.registrar',
      'emergency',
    ],
    find: ({ media: { rtpPortMin: min, rtpPortMax: max }, calls, trunks, registration, emergency }) => {
      const most = calls.maxCalls + (emergency.numbers.length === 0 ? 0 : emergency.maxCalls)
      const hasRtp = trunks.length > 0 || registration.registrar === 'upstream'
      const pairs = Math.floor((max - min + 1) / 2)
      const isRange = min % 2 === 0 && max % 2 === 1 && min < max
      return [
        ...when(
          min % 2 !== 0,
          'media.rtpPortMin',
          'an even port (RTCP takes the odd one after it)',
          String(min),
        ),
        ...when(max % 2 !== 1, 'media.rtpPortMax', 'an odd port', String(max)),
        ...when(min >= max, 'media.rtpPortMax', `more than media.rtpPortMin (${min})`, String(max)),
        ...when(
          isRange && hasRtp && pairs < most,
          'media.rtpPortMax',
          most === calls.maxCalls
            ? `two ports for each of calls.maxCalls (${most}) calls`
            : `two ports for each of ${most} calls (calls.maxCalls and emergency.maxCalls)`,
          `${pairs} pairs`,
        ),
      ]
    },
  },
  {
    keys: ['media.rtpPortMin', 'media.rtpPortMax', 'media.webrtcPort', 'media.threads', 'udp.port'],
    find: ({ media, udp }) => {
      const { rtpPortMin, rtpPortMax, threads } = media
      const isInside = (port: number) => port >= rtpPortMin && port <= rtpPortMax
      const ports = webrtcPorts(media)
      const last = ports.at(-1) ?? 0
      const key = 'media.webrtcPort'
      const seen = threads === 1 ? `${last}` : `${media.webrtcPort}-${last}`
      const what = threads === 1 ? 'a port' : `${threads} ports, one for each of media.threads,`
      return [
        ...when(ports.some(isInside), key, `${what} outside the RTP range`, seen),
        ...when(isInside(udp.port), 'udp.port', 'a port outside the RTP range', String(udp.port)),
        ...when(ports.includes(udp.port), key, 'another port than udp.port', seen),
        ...when(last > 65_535, key, `${what} up to 65535`, seen),
      ]
    },
  },
  ...UPSTREAM_CHECKS,
]
