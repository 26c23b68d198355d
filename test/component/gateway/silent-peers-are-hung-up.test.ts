import { afterEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import { UdpPeer, until } from '../../harness/relay-bench.ts'
import { answered, BROWSER, PHONE, reofferOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

async function talk(limits: { readonly rtpTimeoutS: number; readonly rtpHoldTimeoutS: number }) {
  const { media } = loadConfig(undefined, {})
  gateway = await ScriptedGateway.open({ media: { ...media, ...limits } })
  const peer = await UdpPeer.open()
  const phone: LocalTransport = { ...PHONE, rtp: peer.address } as LocalTransport
  const alice = await gateway.registered('alice')
  const call = await answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: phone },
  )
  return { call, phone }
}

const failed = (): unknown[] =>
  gateway.logged('call failed').map(({ fields }) => [fields.code, fields.stage, fields.leg])

/** Both are silent, and one is noticed first. */
const whoWasMissed = (): 'media.none-from-trunk' | 'media.none-from-browser' =>
  gateway.logged('call failed')[0]?.fields.code === 'media.none-from-trunk'
    ? 'media.none-from-trunk'
    : 'media.none-from-browser'

it('a trunk that was never heard ends the call, at stage S6, with BYE and Reason on both sides', async () => {
  const { call } = await talk({ rtpTimeoutS: 1, rtpHoldTimeoutS: 0 })
  await until(() => gateway.logged('call failed').length > 0, 'the end of the call')
  await gateway.time.advance(100)
  expect(failed()).toHaveLength(1)
  expect(['media.none-from-trunk', 'media.none-from-browser']).toContain(
    gateway.logged('call failed')[0]?.fields.code,
  )
  for (const side of [call.caller, call.callee]) {
    expect(side.ended).toBe('bye')
    expect(side.endedBy).toMatch(/media\.none-from/)
  }
  gateway.expectsVerdicts(whoWasMissed())
})

it('on hold the other limit holds, and 0 is none', async () => {
  const { call, phone } = await talk({ rtpTimeoutS: 2, rtpHoldTimeoutS: 0 })
  await call.callee.reoffer(gateway, reofferOf(phone, 'inactive'))
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  expect(failed()).toEqual([])
  call.caller.dialog?.bye()
})

it('a held call ends at the limit of its own', async () => {
  const { call, phone } = await talk({ rtpTimeoutS: 0, rtpHoldTimeoutS: 1 })
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(failed()).toEqual([])
  await call.callee.reoffer(gateway, reofferOf(phone, 'inactive'))
  await until(() => gateway.logged('call failed').length > 0, 'the end of the call')
  await gateway.time.advance(100)
  expect(gateway.logged('call failed')[0]?.fields).toMatchObject({ stage: 'S6' })
  gateway.expectsVerdicts(whoWasMissed())
})
