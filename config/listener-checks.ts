import { isIP } from 'node:net'
import { listed } from './listeners.ts'
import { type CrossCheck, isGiven, when } from './mistakes.ts'
import type { AddressesValue, ListenPort, Settings } from './settings.ts'

interface OpenListener {
  readonly key: string
  readonly host: string
  readonly port: ListenPort
}

const webListenersOf = ({ https, http, listeners }: Settings['web']): readonly OpenListener[] => [
  { key: 'web.https', host: https.host, port: https.port },
  { key: 'web.http', host: http.host, port: http.port },
  ...listeners.map(({ host, port }, index) => ({
    key: `web.listeners[${index}]`,
    host: String(host),
    port: Number(port),
  })),
]

const shared = (one: AddressesValue, other: AddressesValue): boolean =>
  listed(one).some((address) => listed(other).includes(address))

/** Rules about where we listen, and about certificates. */
export const LISTENER_CHECKS: readonly CrossCheck[] = [
  {
    keys: ['web.https.port', 'web.http.port', 'web.listeners', 'web.unixSocket'],
    find: ({ web }) =>
      when(
        webListenersOf(web).every(({ port }) => port === 'off') && web.unixSocket === null,
        'web',
        'https.port, http.port, listeners or unixSocket: browsers need a listener',
        'none',
      ),
  },
  {
    keys: ['web.https', 'web.http', 'web.listeners'],
    find: ({ web }) => {
      const all = webListenersOf(web)
      return all.flatMap(({ key, host, port }, index) => {
        const first = all.slice(0, index).find((other) => other.port === port && other.host === host)
        const isTaken = first !== undefined && port !== 'off' && port !== 0
        return when(isTaken, `${key}.port`, `another port than that of ${first?.key}`, String(port))
      })
    },
  },
  {
    keys: ['web.https.proxyProtocol', 'web.http.proxyProtocol', 'web.listeners', 'web.trustedProxies'],
    find: ({ web }) =>
      when(
        [web.https, web.http, ...web.listeners].some(({ proxyProtocol }) => proxyProtocol === true) &&
          web.trustedProxies.length === 0,
        'web.trustedProxies',
        'the addresses of the proxies, because proxyProtocol is on',
        'none',
      ),
  },
  {
    keys: ['web.https.port', 'web.https.certificate', 'web.https.key', 'web.listeners'],
    find: ({ web: { https, listeners } }, isDemo) => [
      ...[https, ...listeners].flatMap(({ certificate, key }, index) => {
        const name = index === 0 ? 'web.https' : `web.listeners[${index - 1}]`
        const missing = isGiven(key) ? 'certificate' : 'key'
        return when(
          isGiven(certificate) !== isGiven(key),
          `${name}.${missing}`,
          'certificate and key, both or none',
          'one of them',
        )
      }),
      ...when(
        https.port !== 'off' && https.certificate === null && https.key === null && !isDemo,
        'web.https.certificate',
        'a certificate and key, because web.https.port is set',
        'nothing',
      ),
    ],
  },
  {
    keys: ['tls.port', 'tls.certificate', 'tls.key'],
    find: ({ tls }) =>
      when(
        tls.port !== 'off' && (tls.certificate === null || tls.key === null),
        'tls.certificate',
        'a certificate and key, because tls.port is set',
        tls.certificate === tls.key ? 'nothing' : 'one of them',
      ),
  },
  {
    keys: ['tcp.port', 'tls.port', 'tcp.host', 'tls.host'],
    find: ({ tcp, tls }) =>
      when(
        tcp.port !== 'off' && tcp.port !== 0 && tcp.port === tls.port && shared(tcp.host, tls.host),
        'tls.port',
        'another port than that of tcp',
        String(tls.port),
      ),
  },
  {
    keys: ['trunks', 'udp.host', 'tcp.host', 'tls.host'],
    find: ({ trunks, ...transports }) =>
      trunks.flatMap(({ host, transport }, index) => {
        const family = isIP(host)
        // An address with transport auto is UDP.
        const own = listed(transports[transport === 'auto' ? 'udp' : transport].host).map(isIP)
        return when(
          family !== 0 && !own.includes(family),
          `trunks[${index}].host`,
          `an address of a family that ${transport}.host has (:: is every address of IPv6)`,
          `IPv${family}`,
        )
      }),
  },
]
