import { isIP } from 'node:net'
import { listed, overlap } from './listeners.ts'
import { type CrossCheck, when } from './mistakes.ts'
import { accountMistakes, mediaMistakes, tlsMistakes } from './trunk-checks.ts'
import { UPSTREAM } from './upstream.ts'
import { webrtcPorts } from './webrtc-ports.ts'

/** Rules about who keeps the registrations and who signs in there. */
export const UPSTREAM_CHECKS: readonly CrossCheck[] = [
  {
    keys: ['registration.registrar', 'registration.credentials', 'upstream.host', 'trunks'],
    find: ({ registration: { registrar, credentials }, upstream, trunks }, isDemo) => {
      const isOn = registrar === 'upstream'
      const named = trunks.findIndex(({ name }) => name === UPSTREAM)
      return [
        ...when(isOn && isDemo, 'registration.registrar', 'local without a config file', registrar),
        ...when(
          isOn && upstream.host === null,
          'upstream.host',
          'a PBX, because registration.registrar is upstream',
          'nothing',
        ),
        ...when(
          !isOn && upstream.host !== null,
          'registration.registrar',
          'upstream, because upstream.host is set',
          registrar,
        ),
        ...when(
          !isOn && credentials === 'gateway',
          'registration.registrar',
          'upstream, because registration.credentials is gateway',
          registrar,
        ),
        ...when(named >= 0, `trunks[${named}].name`, 'another name; this one is reserved', UPSTREAM),
      ]
    },
  },
  {
    keys: ['registration', 'users'],
    find: ({ registration: { registrar, credentials, jwt }, users }) => {
      if (registrar === 'local') return []
      const hasTokens = jwt.issuer !== null || jwt.audience !== null
      return credentials === 'gateway'
        ? []
        : [
            ...when(
              users.length > 0,
              'users',
              'none, because the PBX knows them (registration.credentials is browser)',
              String(users.length),
            ),
            ...when(
              hasTokens,
              'registration.jwt',
              'nothing, because the PBX signs users in (registration.credentials is browser)',
              'something',
            ),
          ]
    },
  },
  {
    keys: ['registration.registrar', 'registration.credentials', 'users'],
    find: ({ registration: { registrar, credentials }, users }) => {
      const isWanted = registrar === 'upstream' && credentials === 'gateway'
      return users.flatMap(({ account }, index) => [
        ...when(
          isWanted && account === null,
          `users[${index}].account`,
          'the account at the PBX, because registration.credentials is gateway',
          'nothing',
        ),
        ...when(
          !isWanted && account !== null,
          `users[${index}].account`,
          'nothing, unless registration.credentials is gateway',
          'an account',
        ),
        ...accountMistakes(`users[${index}].account`, account),
      ])
    },
  },
  {
    keys: ['upstream'],
    find: ({ upstream }) => [
      ...mediaMistakes('upstream', upstream),
      ...tlsMistakes('upstream.tls', upstream.tls),
    ],
  },
  {
    keys: ['registration.registrar', 'upstream.transport', 'tls.certificate', 'tls.key'],
    find: ({ registration, upstream, tls }) =>
      when(
        registration.registrar === 'upstream' &&
          upstream.transport === 'tls' &&
          (tls.certificate === null || tls.key === null),
        'tls.certificate',
        'a certificate and key, because upstream.transport is tls',
        tls.certificate === tls.key ? 'nothing' : 'one of them',
      ),
  },
  {
    keys: ['registration.registrar', 'upstream.host', 'upstream.localHost'],
    find: ({ registration, upstream: { host, localHost } }) => {
      const family = isIP(host ?? '')
      return when(
        registration.registrar === 'upstream' &&
          family !== 0 &&
          !listed(localHost).map(isIP).includes(family),
        'upstream.host',
        'an address of a family that upstream.localHost has (:: is every address of IPv6)',
        `IPv${family}`,
      )
    },
  },
  {
    keys: ['registration.registrar', 'upstream', 'udp', 'tcp', 'tls', 'media'],
    find: ({ registration, upstream, udp, tcp, tls, media }) => {
      const { localPort, transport } = upstream
      if (registration.registrar === 'local' || localPort === 0) return []
      const trunkSide = { udp, tcp, tls }[transport]
      const isMedia = localPort >= media.rtpPortMin && localPort <= media.rtpPortMax
      const key = 'upstream.localPort'
      return [
        // A PBX that lets a trunk of ours call by its port would let every user call.
        ...when(
          localPort === trunkSide.port && overlap(upstream.localHost, trunkSide.host),
          key,
          `another port than ${transport}.port, or a localHost that ${transport}.host has not`,
          String(localPort),
        ),
        ...when(
          transport === 'udp' && (isMedia || webrtcPorts(media).includes(localPort)),
          key,
          'a port that is not for media',
          String(localPort),
        ),
      ]
    },
  },
]
