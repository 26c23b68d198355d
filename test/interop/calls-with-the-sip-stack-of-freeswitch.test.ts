import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { directionOf } from '../harness/redescribe.ts'
import { headerOf, statusOf } from '../harness/sip-text.ts'
import { messageOf, Sofia } from '../harness/sofia.ts'
import { TrunkSite } from '../harness/trunk-site.ts'
import type { WebrtcCall } from '../harness/webrtc-call.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const TRUNK_HZ = 425
const ALICE_HZ = 1000
const BOB_HZ = 620
const HEARD_MS = 200
/** With `enable-100rel`. */
const RELIABLE = { supported: 'timer, path, replaces, 100rel' }

let site: TrunkSite
beforeAll(async () => {
  site = await TrunkSite.start()
})
afterEach(closeAll)
afterAll(() => site.close())

/** Both ways, from now on. */
const hearEachOther = async (pbx: Sofia, call: WebrtcCall, browserHz = ALICE_HZ): Promise<void> => {
  await Promise.all([call.waitForMoreTone(TRUNK_HZ, HEARD_MS), pbx.waitForMoreTone(browserHz, HEARD_MS)])
}

test('it answers early, offers anew by UPDATE before it picks up, holds and resumes, and hangs up with a reason', async () => {
  const pbx = await site.sofia({ params: RELIABLE })
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: ALICE_HZ, supports: ['100rel'] })
  const handle = await pbx.waitForInvite()
  pbx.respond(handle, 180, 'Ringing')
  await call.waitForProgress(180)
  pbx.progress(handle)
  await pbx.waitForEvent(handle, 'nua_i_prack')
  await call.waitForTone(TRUNK_HZ, HEARD_MS)
  // As FreeSWITCH tells who is called now; nua adds an offer.
  pbx.do('update', handle, { header: ['P-Asserted-Identity: "Support" <sip:1001@127.0.0.1>'] })
  expect((await pbx.waitForFinal(handle, 'nua_r_update')).status).toBe(200)
  pbx.answer(handle)
  await call.waitForFinal()
  await pbx.waitForState(handle, 'ready')
  await hearEachOther(pbx, call)

  pbx.do('invite', handle, { sdp: pbx.describe('sendonly'), hold: '*' })
  await call.waitForRemoteDirection('sendonly')
  expect((await pbx.waitForFinal(handle, 'nua_r_invite')).status).toBe(200)
  pbx.do('update', handle, { sdp: pbx.describe(), hold: '' })
  await call.waitForRemoteDirection('sendrecv')
  expect((await pbx.waitForFinal(handle, 'nua_r_update', 2)).status).toBe(200)
  await hearEachOther(pbx, call)
  pbx.do('bye', handle, { reason: 'Q.850;cause=16;text="NORMAL_CLEARING"' })
  await call.waitForEnd()
  expect(headerOf(await call.waitForRequest('BYE'), 'Reason')).toContain('Q.850;cause=16')
})

test('it calls with compact headers and PRACK required, is held, and both ends change the call at once', async () => {
  const compact = 1
  const pbx = await site.sofia({ params: { ...RELIABLE, sipflags: compact } })
  const alice = await site.phone()
  pbx.call('out', 'alice', site.daemon.sipAddress, { require: '100rel' })
  const call = await alice.nextInvitation()
  await call.answer({ toneHz: ALICE_HZ })
  await pbx.waitForState('out', 'ready')
  expect(pbx.log).toMatch(/^ +i:\S+/m)
  expect((await pbx.waitForFinal('out', 'nua_r_prack')).status).toBe(200)
  await hearEachOther(pbx, call)

  const held = await call.reoffer('sendonly')
  expect([statusOf(held), directionOf(held.body)]).toEqual([200, 'recvonly'])
  const both = call.reoffer('sendrecv', 'UPDATE')
  pbx.do('invite', 'out', { sdp: pbx.describe() })
  expect(statusOf(await both)).toBe(200)
  await hearEachOther(pbx, call)
  await call.hangUp()
  await pbx.waitForState('out', 'terminated')
})

test('it transfers with a question: Replaces, and NOTIFY tells it how that went', async () => {
  const pbx = await site.sofia()
  const [alice, bob] = [await site.phone(), await site.phone('bob')]
  const call = await alice.call('9100', { toneHz: ALICE_HZ })
  const handle = await pbx.waitForInvite()
  pbx.answer(handle)
  await call.waitForTone(TRUNK_HZ, HEARD_MS)
  await pbx.waitForState(handle, 'ready')
  pbx.call('asked', 'bob', site.daemon.sipAddress)
  const answered = await bob.nextInvitation()
  await answered.answer({ toneHz: BOB_HZ })
  await hearEachOther(pbx, answered, BOB_HZ)
  pbx.do('refer', handle, { refer_to: `sip:bob@${site.daemon.sipAddress}`, replaces: 'asked' })
  await Promise.all([call.waitForTone(BOB_HZ, HEARD_MS), answered.waitForTone(ALICE_HZ, HEARD_MS)])
  const outcomes = [1, 2].map(
    async (count) => messageOf(await pbx.waitForEvent(handle, 'nua_i_notify', count)).body,
  )
  expect((await Promise.all(outcomes)).map((body) => body.slice(0, 11))).toEqual([
    'SIP/2.0 100',
    'SIP/2.0 200',
  ])
  await pbx.waitForState('asked', 'terminated')
  await call.hangUp()
  await answered.waitForEnd()
})

test('its re-INVITE without an offer is offered what there is, and its ACK answers', async () => {
  const pbx = await site.sofia()
  const alice = await site.phone()
  const call = await alice.call('9100', { toneHz: ALICE_HZ })
  const handle = await pbx.waitForInvite()
  pbx.respond(handle, 302, 'Moved Temporarily', { contact: `<sip:9177@127.0.0.1:${pbx.sipPort}>` })
  const moved = await pbx.waitForInvite(2)
  pbx.answer(moved)
  await call.waitForTone(TRUNK_HZ, HEARD_MS)
  await pbx.waitForState(moved, 'ready')
  pbx.do('invite', moved, { media: 0, auto_ack: 0 })
  const offer = messageOf(await pbx.waitForFinal(moved, 'nua_r_invite')).body
  expect(offer).toContain('m=audio')
  pbx.audio.sendTo(offer)
  pbx.do('ack', moved, { media: 0, type: 'application/sdp', body: pbx.describe() })
  await hearEachOther(pbx, call)
  await call.hangUp()
  await pbx.waitForState(moved, 'terminated')
})

test('each signs in at the other, over TCP: REGISTER, INVITE and BYE are challenged, and its INVITE by MD5 alone', async () => {
  const user = { user: 'webtrunk', password: 'secret' }
  const own = { user: 'pbx', password: 'open sesame' }
  const challenges = { ...user, methods: ['REGISTER', 'INVITE', 'BYE'] }
  const params = { app_method: 'BYE' }
  const pbx = closing(
    await Sofia.start({ transport: 'tcp', toneHz: TRUNK_HZ, challenges, account: own, params }),
  )
  const account = { ...user, register: true }
  const inbound = { ...own, md5Only: true }
  const daemon = closing(
    await Daemon.start({
      trunks: [{ port: pbx.sipPort, transport: 'tcp', account, inbound }],
      config: { tcp: { host: '127.0.0.1', port: 0 } },
    }),
  )
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: ALICE_HZ })
  // The first INVITE has no credentials.
  const handle = await pbx.waitForInvite(2)
  pbx.answer(handle)
  await call.waitForFinal()
  await hearEachOther(pbx, call)
  await call.hangUp()
  await pbx.waitForEvent(handle, 'nua_i_bye')

  pbx.call('out', 'alice', daemon.tcpAddress)
  const incoming = await alice.nextInvitation()
  await incoming.answer({ toneHz: BOB_HZ })
  await hearEachOther(pbx, incoming, BOB_HZ)
  pbx.do('bye', 'out')
  await incoming.waitForEnd()
  const signedIn = ({ message = '' }: { readonly message?: string }, method: string): boolean =>
    message.startsWith(`${method} `) && /^(?:Proxy-)?Authorization: Digest /im.test(message)
  const proven = ['REGISTER', 'INVITE'].map((method) => pbx.events.some((event) => signedIn(event, method)))
  expect(proven).toEqual([true, true])
})
