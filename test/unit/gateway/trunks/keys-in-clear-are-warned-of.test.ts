import { expect, it } from 'vitest'
import type { TrunkConfig } from '../../../../config/config.ts'
import { warnOfClearKeys } from '../../../../gateway/trunks/clear-keys.ts'
import { trunkConfig } from '../../../harness/trunk-config.ts'

const TRUNK = trunkConfig({ host: '192.0.2.1', media: 'sdes' })

it('row 4: each trunk with keys in the SDP and without TLS is named once', () => {
  const warnings: unknown[] = []
  const trunks: readonly TrunkConfig[] = [
    TRUNK,
    { ...TRUNK, name: 'over-tcp', transport: 'tcp' },
    { ...TRUNK, name: 'over-tls', transport: 'tls' },
    { ...TRUNK, name: 'plain', media: 'rtp' },
    { ...TRUNK, name: 'osrtp', media: 'rtp', osrtp: 'optional' },
  ]
  warnOfClearKeys(trunks, { warn: (_, fields) => void warnings.push(fields) })
  expect(warnings).toEqual([
    { trunk: 'pbx', transport: 'udp' },
    { trunk: 'over-tcp', transport: 'tcp' },
    { trunk: 'osrtp', transport: 'udp' },
  ])
})
