import { describe, expect, it } from 'vitest'
import { trunksText } from '../../../../gateway/commands/trunks.ts'
import { TrunkTable } from '../../../../gateway/trunks/trunk.ts'
import { trunkReport } from '../../../../gateway/trunks/trunk-report.ts'
import { TrunkStates } from '../../../../gateway/trunks/trunk-states.ts'
import { resolverOf, trunkConfig } from '../../../harness/trunk-config.ts'

async function report() {
  const states = new TrunkStates(() => 1_000)
  const trunks = new TrunkTable(
    [
      trunkConfig({ name: 'pbx', host: '192.0.2.1', optionsS: 10, maxCalls: 2 }),
      trunkConfig({ name: 'carrier', host: '192.0.2.2', port: 5_080, optionsS: 10 }),
      trunkConfig({ name: 'lost', host: 'nobody.test' }),
      trunkConfig({ name: 'idle', host: '192.0.2.3' }),
    ],
    { resolver: resolverOf(), nowMs: () => 0, supported: ['udp'] },
  )
  await trunks.refresh()
  states.noteHealth('pbx', 'up')
  states.noteHealth('carrier', 'down')
  const path = trunks.get('carrier')?.servers[0]?.paths[0]
  if (path !== undefined) states.failed(path, 'timeout')
  const idle = trunks.get('idle')?.servers[0]?.paths[0]
  states.noteTrouble('idle', 'DEPTH_ZERO_SELF_SIGNED_CERT')
  if (idle !== undefined) states.failed(idle, 'transport')
  return trunkReport({
    trunks,
    groups: [{ name: 'out', trunks: [{ trunk: 'pbx' }, { trunk: 'carrier' }] }],
    states,
    callsOver: (trunk) => (trunk === 'pbx' ? 2 : 0),
    isRegistered: (trunk) => (trunk === 'carrier' ? false : undefined),
    wallTime: (atMs) => new Date(Date.UTC(2026, 0, 1) + atMs),
  })
}

describe('webtrunk trunks', () => {
  it('has state, health, registration, calls and last failure of each', async () => {
    const [pbx, carrier, lost, idle] = await report()
    expect(pbx).toEqual({
      name: 'pbx',
      groups: ['out'],
      state: 'full',
      health: 'up',
      calls: 2,
      maxCalls: 2,
      addresses: [{ address: 'udp 192.0.2.1:5060', isResting: false }],
    })
    expect(carrier).toMatchObject({
      state: 'down',
      health: 'down',
      registered: false,
      addresses: [{ address: 'udp 192.0.2.2:5080', isResting: true }],
      lastFailure: { at: '2026-01-01T00:00:01.000Z', reason: 'timeout (udp 192.0.2.2:5080)' },
    })
    expect(lost).toMatchObject({ state: 'unresolved', health: 'not asked', addresses: [] })
    expect(idle).toMatchObject({
      state: 'ready',
      groups: [],
      calls: 0,
      lastFailure: { reason: 'transport: DEPTH_ZERO_SELF_SIGNED_CERT (udp 192.0.2.3:5060)' },
    })
  })

  it('is a table for people', async () => {
    const text = trunksText(await report())
    expect(text.split('\n')[0]).toMatch(
      /^TRUNK +GROUPS +STATE +HEALTH +REGISTERED +CALLS +ADDRESSES +LAST FAILURE$/,
    )
    expect(text).toMatch(/^pbx +out +full +up +- +2\/2 +udp 192\.0\.2\.1:5060$/m)
    expect(text).toMatch(
      /^carrier +out +down +down +no +0 +udp 192\.0\.2\.2:5080 \(rests\) +2026-01-01T00:00:01.000Z timeout/m,
    )
    expect(trunksText([])).toBe('no trunks\n')
  })
})
