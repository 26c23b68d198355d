import { afterEach, describe, expect, it } from 'vitest'
import type { UserConfig } from '../../../config/config.ts'
import { Secret } from '../../../config/secret.ts'
import { header, rawValues } from '../../../sip/message/headers.ts'
import {
  answered,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  place,
  quiet,
  reasonText,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { EXTENSIONS, ScriptedPbx } from '../../harness/scripted-pbx.ts'
import { asked, send, statusOfSent } from '../../harness/scripted-relay.ts'

let pbx: ScriptedPbx
afterEach(async () => {
  const stopped = pbx.gateway.mode.stop()
  await pbx.gateway.time.advance(100)
  await stopped
  await pbx.gateway.close()
})

const user = (name: string, extension: string, password: string): UserConfig => ({
  name,
  password: new Secret(`${name} at the gateway`),
  account: { user: extension, password: new Secret(password), md5: true },
})

const open = (password: string = EXTENSIONS['1001']) =>
  ScriptedPbx.open(
    { credentials: 'gateway' },
    { users: [user('alice', '1001', password), user('bob', '1002', EXTENSIONS['1002'])] },
  )

describe('an extension', () => {
  it('is registered at the PBX while its user is here, and refreshed', async () => {
    pbx = await open()
    expect(pbx.registers).toEqual([])
    await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const taken = pbx.registers.at(-1)
    expect(header(taken ?? { headers: [] }, 'Authorization')).toContain('username="1001"')
    expect(taken?.uri.text).toBe('sip:example.com')
    expect([taken?.from.uri.text, taken?.to.uri.text]).toEqual([
      'sip:1001@example.com',
      'sip:1001@example.com',
    ])
    expect(pbx.bindings.get('1001')).toHaveLength(1)
    expect(pbx.uriOf('1001').uri).toMatch(/^sip:[0-9a-f]{32}@127\.0\.0\.1:5061;transport=udp$/)
    expect(pbx.bindings.has('1002')).toBe(false)
    expect(pbx.gateway.logged('extension registered')).toMatchObject([{ fields: { extension: 'alice' } }])
    expect(pbx.gateway.mode.counts()).toEqual({ registered: 1, unregistered: 0 })
    // Another device changes nothing.
    await pbx.gateway.registered('alice', 'second')
    const sent = pbx.registers.length
    await pbx.gateway.time.advance(200_000)
    expect(pbx.registers).toHaveLength(sent)
    // Its devices stay registered with us for 300 s; the extension is refreshed at 480 s of 600.
    await pbx.gateway.registered('alice', 'third')
    await pbx.gateway.time.advance(290_000)
    expect(pbx.registers.length).toBeGreaterThan(sent)
    expect(pbx.bindings.get('1001')).toHaveLength(1)
  })

  it('is given up a while after the last device is gone; one that comes back in time keeps it', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const { uri } = pbx.uriOf('1001')
    await pbx.gateway.disconnect(browser)
    await pbx.gateway.time.advance(20_000)
    const sent = pbx.registers.length
    const again = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(40_000)
    expect(pbx.registers).toHaveLength(sent)
    await pbx.gateway.disconnect(again)
    await pbx.gateway.time.advance(31_000)
    expect(header(pbx.registers.at(-1) ?? { headers: [] }, 'Expires')).toBe('0')
    expect(pbx.bindings.get('1001')).toEqual([])
    const call = pbx.calls(uri)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(480)
    pbx.gateway.expectsVerdicts('call.not-registered')
  })

  it('is given up when the registrations of its devices have expired, too', async () => {
    pbx = await open()
    await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(340_000)
    expect(pbx.bindings.get('1001')).toEqual([])
    expect(pbx.gateway.mode.counts()).toEqual({ registered: 0, unregistered: 0 })
  })

  it('takes the longer interval that the PBX asks for', async () => {
    pbx = await open()
    pbx.minExpiresS = 1_200
    await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    expect(header(pbx.registers.at(-1) ?? { headers: [] }, 'Expires')).toBe('1200')
    expect(pbx.bindings.get('1001')).toHaveLength(1)
  })

  it('with a wrong password at the PBX is said once, and its user is here nevertheless', async () => {
    pbx = await open('wrong')
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    expect(pbx.gateway.logged('extension not registered')).toMatchObject([
      { level: 'warn', fields: { extension: 'alice', reason: '401 Unauthorized' } },
    ])
    expect(pbx.gateway.mode.counts()).toEqual({ registered: 0, unregistered: 1 })
    const call = place(browser, 'alice', '9100')
    const invite = await ringing(pbx.gateway, pbx.peer)
    invite.reject(401, { headers: pbx.challenges() })
    await pbx.gateway.time.advance(100)
    const second = pbx.peer.invites[1]
    expect(second === undefined ? '' : pbx.provenBy(second.request)).toBeUndefined()
    second?.reject(401, { headers: pbx.challenges() })
    await pbx.gateway.time.advance(100)
    expect([statusOf(call), reasonText(call)]).toEqual([503, expect.stringContaining('upstream.bad-account')])
    // The user has no part in it, and sees no challenge that his password would not answer.
    expect(typeof call.final === 'object' ? rawValues(call.final, 'WWW-Authenticate') : []).toEqual([])
    pbx.gateway.expectsVerdicts('upstream.bad-account')
  })
})

describe('a call', () => {
  it('of a user goes to the PBX as the extension, and we answer its challenges', async () => {
    pbx = await open()
    pbx.serviceRoute = ['<sip:edge.example.com;lr>']
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const call = place(browser, 'alice', '9100')
    const first = await ringing(pbx.gateway, pbx.peer)
    expect(first.request.uri.text).toBe('sip:9100@example.com')
    expect(first.request.from.uri.text).toBe('sip:1001@example.com')
    expect(rawValues(first.request, 'Route')).toEqual(pbx.serviceRoute)
    first.reject(407, { headers: pbx.challenges('Proxy-Authenticate') })
    await pbx.gateway.time.advance(100)
    const second = pbx.peer.invites[1]
    expect(second === undefined ? '' : pbx.provenBy(second.request)).toBe('1001')
    if (second === undefined) throw new Error('no second INVITE')
    const callee = new PeerDialog(PHONE)
    callee.dialog = second.accept({ body: answerTo(second, PHONE) }, callee.handler)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    // BYE is challenged, and comes again.
    pbx.gateway.pbxFlow.drops = (text) => text.startsWith('BYE')
    call.dialog?.bye()
    await pbx.gateway.time.advance(20)
    const bye = pbx.gateway.pbxFlow.sent.findLast((text) => text.startsWith('BYE')) ?? ''
    pbx.gateway.pbxFlow.drops = () => false
    pbx.answerRaw(bye, 401, pbx.challenges())
    await pbx.gateway.time.advance(100)
    const again = pbx.gateway.pbxFlow.sent.findLast((text) => text.startsWith('BYE')) ?? ''
    expect(again).toContain('Authorization: Digest username="1001"')
    expect(callee.ended).toBe('bye')
  })

  it('to another user goes by the PBX, under the extension that the other has there', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    const bob = await pbx.gateway.registered('bob')
    await pbx.gateway.time.advance(100)
    place(browser, 'alice', 'bob')
    const invite = await ringing(pbx.gateway, pbx.peer)
    expect(invite.request.uri.text).toBe('sip:1002@example.com')
    expect(bob.invites).toEqual([])
    invite.reject(486)
    await pbx.gateway.time.advance(100)
    pbx.gateway.expectsVerdicts('call.refused')
  })

  it('of the PBX rings all devices of the user, and no one else', async () => {
    pbx = await open()
    const phones = [
      await pbx.gateway.registered('alice', 'one'),
      await pbx.gateway.registered('alice', 'two'),
    ]
    const bob = await pbx.gateway.registered('bob')
    await pbx.gateway.time.advance(100)
    const call = pbx.calls(pbx.uriOf('1001').uri)
    for (const phone of phones) await ringing(pbx.gateway, phone)
    expect(bob.invites).toEqual([])
    const [invite] = phones[1]?.invites ?? []
    if (invite === undefined) throw new Error('the second device did not ring')
    const dialog = invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await pbx.gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    // Our BYE in a call of the PBX's is challenged too: To has named the extension or the Contact.
    pbx.gateway.pbxFlow.drops = (text) => text.startsWith('BYE')
    dialog.bye()
    await pbx.gateway.time.advance(20)
    const bye = pbx.gateway.pbxFlow.sent.findLast((text) => text.startsWith('BYE')) ?? ''
    pbx.gateway.pbxFlow.drops = () => false
    pbx.answerRaw(bye, 401, pbx.challenges())
    await pbx.gateway.time.advance(100)
    expect(call.ended).toBe('bye')
    expect(pbx.gateway.pbxFlow.sent.findLast((text) => text.startsWith('BYE'))).toContain('username="1001"')
  })

  it('of the PBX to what no extension has is refused', async () => {
    pbx = await open()
    await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const calls = [pbx.calls('sip:alice@127.0.0.1:5061'), pbx.calls(`sip:${'0'.repeat(32)}@127.0.0.1:5061`)]
    await pbx.gateway.time.advance(200)
    expect(calls.map(statusOf)).toEqual([404, 404])
    pbx.gateway.expectsVerdicts('upstream.unknown-token', 'upstream.unknown-token')
  })

  it('of a trunk rings the user as before', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    const ends = await answered(
      pbx.gateway,
      { peer: pbx.gateway.trunk, user: 'x', local: PHONE },
      { peer: browser, number: 'alice', local: BROWSER },
    )
    ends.caller.dialog?.bye()
    await pbx.gateway.time.advance(100)
    expect(ends.callee.ended).toBe('bye')
  })
})

describe('beside calls', () => {
  it('MESSAGE goes by the PBX with the account', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const sent = send(browser, 'MESSAGE', 'alice', 'bob', { body: 'hello' })
    const first = await asked(pbx.gateway, pbx.peer)
    first.respond(401, { headers: pbx.challenges() })
    await pbx.gateway.time.advance(100)
    const second = pbx.peer.requests[1]
    expect(second === undefined ? '' : pbx.provenBy(second.request)).toBe('1001')
    expect(second?.request.uri.text).toBe('sip:1002@example.com')
    second?.respond(202)
    await pbx.gateway.time.advance(100)
    expect(statusOfSent(sent)).toBe(202)
  })
})

describe('while the gateway stops', () => {
  it('nothing is registered again, and who signs in is refused', async () => {
    pbx = await open()
    const browser = await pbx.gateway.registered('alice')
    await pbx.gateway.time.advance(100)
    const stopped = pbx.gateway.mode.stop()
    await pbx.gateway.time.advance(100)
    await stopped
    const sent = pbx.registers.length
    expect(await pbx.gateway.register(browser, 'alice', pbx.gateway.passwordOf('alice'))).toBe(503)
    await pbx.gateway.disconnect(browser)
    await pbx.gateway.time.advance(700_000)
    expect(pbx.registers).toHaveLength(sent)
    expect(pbx.bindings.get('1001')).toEqual([])
  })

  it('nothing is registered for devices that are still here', async () => {
    pbx = await open()
    const first = await pbx.gateway.registered('alice', 'first')
    await pbx.gateway.registered('alice', 'second')
    await pbx.gateway.time.advance(100)
    const stopped = pbx.gateway.mode.stop()
    await pbx.gateway.time.advance(100)
    await stopped
    const sent = pbx.registers.length
    await pbx.gateway.disconnect(first)
    await pbx.gateway.time.advance(1_000)
    expect(pbx.registers).toHaveLength(sent)
  })
})
