import { randomBytes } from 'node:crypto'
import { afterEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import { MediaCall, noise, PCMA } from '../../harness/media-call.ts'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { rtp } from '../../harness/rtp-packet.ts'
import { answered, BROWSER, PHONE, reofferOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { sdesKey } from '../../harness/scripted-trunk.ts'
import { repeatUntil } from '../../harness/until.ts'

let gateway: ScriptedGateway
let close: () => Promise<void>
afterEach(() => close())

async function talk(limits: { readonly rtpTimeoutS: number; readonly rtpHoldTimeoutS: number }) {
  const { media } = loadConfig(undefined, {})
  gateway = await ScriptedGateway.open({ media: { ...media, ...limits } })
  close = () => gateway.close()
  const peer = await UdpPeer.open()
  const phone: LocalTransport = { ...PHONE, rtp: peer.address } as LocalTransport
  const alice = await gateway.registered('alice')
  const call = await answered(
    gateway,
    { peer: alice, user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: phone },
  )
  /** Voice of the trunk, which comes from where it says. */
  const speak = (): void => {
    const [, port] = /^m=audio (\d+)/m.exec(gateway.trunk.invites[0]?.request.body.toString() ?? '') ?? []
    peer.send(rtp({ sequence: sequence++, payloadType: PCMA }), { address: '127.0.0.1', port: Number(port) })
  }
  let sequence = 1
  return { call, phone, speak }
}

const failed = (): unknown[] =>
  gateway.logged('call failed').map(({ fields }) => [fields.code, fields.stage, fields.leg])

it('a trunk that was never heard ends the call, at stage S6, with BYE and Reason on both sides', async () => {
  const { media } = loadConfig(undefined, {})
  const call = await MediaCall.open({ config: { media: { ...media, rtpTimeoutS: 3, rtpHoldTimeoutS: 0 } } })
  close = () => call.close()
  gateway = call.gateway
  // The browser has so long to connect.
  await call.answer()
  await call.connectBrowser()
  await repeatUntil(
    () => call.browser.sendRtp(PCMA, noise()),
    () => failed().length > 0,
  )
  await gateway.time.advance(100)
  expect(failed()).toEqual([['media.none-from-trunk', 'S6', 'callee']])
  for (const side of [call.caller, call.callee]) {
    expect(side.ended).toBe('bye')
    expect(side.endedBy).toContain('media.none-from-trunk')
  }
  gateway.expectsVerdicts('media.none-from-trunk')
})

it('a trunk whose packets come and do not authenticate ends the call by that code, on that rung alone', async () => {
  const { media } = loadConfig(undefined, {})
  const call = await MediaCall.open({
    trunk: { media: 'sdes' },
    config: { media: { ...media, rtpTimeoutS: 3, rtpHoldTimeoutS: 0 } },
  })
  close = () => call.close()
  gateway = call.gateway
  await call.answer()
  await call.connectBrowser()
  call.connectTrunk(sdesKey(1, 'AES_CM_128_HMAC_SHA1_80', randomBytes(30)))
  await call.speak({ browser: 30 })
  await repeatUntil(
    () => {
      call.browser.sendRtp(PCMA, noise())
      call.trunk.sendRtp(PCMA, noise())
    },
    () => failed().length > 0,
  )
  await gateway.time.advance(1_000)
  expect(call.callee.endedBy).toContain('srtp.auth-failed')
  expect(call.report()).toMatchObject({
    outcome: 'failed',
    verdict: { stage: 'S5', code: 'srtp.auth-failed', leg: 'callee', direction: 'received' },
    findings: [{ code: 'srtp.auth-failed' }],
  })
  expect(call.report()).not.toHaveProperty('endedBy')
  expect([call.rung('callee', 'S5'), call.rung('callee', 'S6', 'sent')]).toEqual(['failed', 'climbed'])
  gateway.expectsVerdicts('srtp.auth-failed')
})

it('what was found before the end is the end, and stands there once', async () => {
  const { media } = loadConfig(undefined, {})
  const call = await MediaCall.open({ config: { media: { ...media, rtpTimeoutS: 3, rtpHoldTimeoutS: 0 } } })
  close = () => call.close()
  gateway = call.gateway
  await call.answer()
  await call.connectBrowser()
  await call.speak({ browser: 30 })
  expect((await call.look()).findings).toMatchObject([{ code: 'media.none-from-trunk' }])
  await repeatUntil(
    () => call.browser.sendRtp(PCMA, noise()),
    () => failed().length > 0,
  )
  await gateway.time.advance(1_000)
  expect(call.report()).toMatchObject({ outcome: 'failed', findings: [{ code: 'media.none-from-trunk' }] })
  expect(call.report().findings).toHaveLength(1)
  expect([call.rung('callee', 'S6', 'received'), call.rung('callee', 'S6', 'sent')]).toEqual([
    'failed',
    'climbed',
  ])
  gateway.expectsVerdicts('media.none-from-trunk')
})

it('on hold the other limit holds, and 0 is none', async () => {
  const { call, phone } = await talk({ rtpTimeoutS: 2, rtpHoldTimeoutS: 0 })
  await call.callee.reoffer(gateway, reofferOf(phone, 'inactive'))
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  expect(failed()).toEqual([])
  call.caller.dialog?.bye()
})

it('a held call ends at the limit of its own', async () => {
  const { call, phone, speak } = await talk({ rtpTimeoutS: 0, rtpHoldTimeoutS: 1 })
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(failed()).toEqual([])
  await call.callee.reoffer(gateway, reofferOf(phone, 'inactive'))
  await repeatUntil(speak, () => failed().length > 0)
  await gateway.time.advance(100)
  expect(failed()).toEqual([['media.none-from-browser', 'S6', 'caller']])
  gateway.expectsVerdicts('media.none-from-browser')
})
