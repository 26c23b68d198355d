import { expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { PROFILES } from '../../../config/trunk-profiles.ts'
import { warnOfClearKeys } from '../../../gateway/clear-keys.ts'

const TRUNK: TrunkConfig = {
  name: 'pbx',
  host: '192.0.2.1',
  port: 5060,
  transport: 'udp',
  tls: undefined,
  sources: [],
  profile: 'generic',
  ...PROFILES.generic,
  media: 'sdes',
  codecs: ['PCMU'],
  suites: ['AES_CM_128_HMAC_SHA1_80'],
  callerId: undefined,
  trusted: false,
  account: undefined,
  optionsS: 0,
}

it('row 4: each trunk with keys in the SDP and without TLS is named once', () => {
  const warnings: unknown[] = []
  const trunks: readonly TrunkConfig[] = [
    TRUNK,
    { ...TRUNK, name: 'over-tcp', transport: 'tcp' },
    { ...TRUNK, name: 'over-tls', transport: 'tls' },
    { ...TRUNK, name: 'plain', media: 'rtp' },
  ]
  warnOfClearKeys(trunks, { warn: (_, fields) => void warnings.push(fields) })
  expect(warnings).toEqual([
    { trunk: 'pbx', transport: 'udp' },
    { trunk: 'over-tcp', transport: 'tcp' },
  ])
})
