import { afterEach, describe, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import {
  answerTo,
  PeerDialog,
  PHONE,
  place,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import type { Peer } from '../../harness/scripted-gateway.ts'
import { EXTENSIONS, ScriptedPbx } from '../../harness/scripted-pbx.ts'

let pbx: ScriptedPbx
afterEach(async () => {
  const stopped = pbx.gateway.mode.stop()
  // Longer than a PBX that says nothing is waited for.
  await pbx.gateway.time.advance(40_000)
  await stopped
  await pbx.gateway.close()
})

const emergency = {
  numbers: ['112'],
  prefix: '',
  trunks: ['pbx'],
  callerId: undefined,
  maxCalls: 2,
  drainTimeoutS: 60,
}
const alice = {
  name: 'alice',
  password: new Secret('alice at the gateway'),
  account: { user: '1001', password: new Secret(EXTENSIONS['1001']), md5: true },
}

/** Rings at the trunk for emergency calls, is answered there, and the PBX hears nothing of it. */
async function expectHelp(from: Peer, user: string): Promise<void> {
  const heard = pbx.gateway.pbxFlow.sent.length
  const call = place(from, user, '112')
  const invite = await ringing(pbx.gateway, pbx.gateway.trunk)
  expect(invite.request.uri.text).toBe('sip:112@127.0.0.1:5070')
  const centre = new PeerDialog(PHONE)
  centre.dialog = invite.accept({ body: answerTo(invite, PHONE) }, centre.handler)
  await pbx.gateway.time.advance(200)
  expect(statusOf(call)).toBe(200)
  const toPbx = pbx.gateway.pbxFlow.sent.slice(heard)
  expect(toPbx.filter((text) => !text.startsWith('REGISTER '))).toEqual([])
  call.dialog?.bye()
  await pbx.gateway.time.advance(200)
  expect(centre.ended).toBe('bye')
}

describe('where browsers sign in at the PBX, an emergency call', () => {
  const open = () => ScriptedPbx.open({}, { emergency })

  it('goes by its trunk, and the PBX is not asked', async () => {
    pbx = await open()
    await expectHelp(await pbx.registered('1001'), '1001')
  })

  it('goes out while the PBX says nothing', async () => {
    pbx = await open()
    const browser = await pbx.registered('1001')
    pbx.isSilent = true
    await pbx.gateway.time.advance(60_000)
    await expectHelp(browser, '1001')
  })

  it('of a browser that the PBX has not registered yet is refused: nobody knows who it is', async () => {
    pbx = await open()
    pbx.isSilent = true
    const browser = pbx.browser('1001')
    await pbx.register(browser, '1001')
    const call = place(browser, '1001', '112')
    await pbx.gateway.time.advance(200)
    expect([statusOf(call), reasonText(call)]).toEqual([
      403,
      expect.stringContaining('upstream.not-registered'),
    ])
    expect(pbx.gateway.trunk.invites).toEqual([])
  })
})

describe('where we sign in at the PBX, an emergency call', () => {
  const open = () => ScriptedPbx.open({ credentials: 'gateway' }, { emergency, users: [alice] })

  it('goes by its trunk, and the PBX is not asked', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    expect(pbx.gateway.mode.counts()).toEqual({ registered: 1, unregistered: 0 })
    await expectHelp(browser, 'alice')
  })

  it('goes out while the PBX says nothing, and has never registered the extension', async () => {
    pbx = await open()
    pbx.isSilent = true
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(60_000)
    expect(pbx.gateway.mode.counts()).toEqual({ registered: 0, unregistered: 1 })
    await expectHelp(browser, 'alice')
  })

  it('goes out before any REGISTER of its browser', async () => {
    pbx = await open()
    const browser = pbx.gateway.browser()
    browser.account = { user: 'alice', password: alice.password, md5: true }
    await expectHelp(browser, 'alice')
  })
})
