import { BlockList, isIPv6 } from 'node:net'
import type { Config, TrunkConfig } from '../../config/config.ts'
import { announcedFor } from '../../media/ice/host-candidates.ts'
import type { Trunk } from '../trunks/trunk.ts'
import type { CheckLine } from './configuration-check.ts'

/** What no NAT lets through from outside, and loopback. */
const PRIVATE = new BlockList()
for (const [network, length] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, length)
}
PRIVATE.addSubnet('fc00::', 7, 'ipv6')
PRIVATE.addAddress('::1', 'ipv6')

const isPrivate = (address: string): boolean => PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

/** Behind a NAT nothing fails at the start: calls have no audio. `find`: in a table that has been refreshed. */
export function reachLines(
  config: Config,
  find: (trunk: TrunkConfig) => Trunk | undefined,
): readonly CheckLine[] {
  const { media, trunks, turn } = config
  const told = [...new Set(media.addresses.map((address) => announcedFor(address, media.announced)))]
  return [
    // A TURN server may stand where both can reach it.
    ...(told.every(isPrivate) && turn === undefined
      ? [
          warning(
            media.announced.length === 0 ? 'media.addresses' : 'media.announced',
            `only private ones (${told.join(', ')}): browsers outside this network will have no audio; behind NAT set media.announced to the public one`,
          ),
        ]
      : []),
    ...trunks.flatMap((trunk) => trunkLines(config, trunk, find(trunk))),
  ]
}

function trunkLines(
  { udp }: Config,
  { name, host }: TrunkConfig,
  trunk: Trunk | undefined,
): readonly CheckLine[] {
  const paths = trunk?.servers.flatMap((server) => server.paths) ?? []
  const told = paths
    .filter(({ remote }) => !isPrivate(remote.address))
    .map(({ localAddress }) => announcedFor(localAddress, udp.announced))
    .find(isPrivate)
  if (told === undefined) return []
  return [
    warning(
      `trunks ${name}: host ${host}`,
      `is outside, and told our private address ${told}: its audio and requests may not reach us; behind NAT set udp.announced to the public one`,
    ),
  ]
}

/** Nobody notices that they are missing before one is dialled. */
export function emergencyLines({ emergency, trunks, upstream }: Config): readonly CheckLine[] {
  if (emergency !== undefined || (trunks.length === 0 && upstream === undefined)) return []
  return [warning('emergency.numbers', 'none, so 112, 110 and 911 are calls like others')]
}

const warning = (what: string, text: string): CheckLine => ({ level: 'warning', what, text })
