import { afterEach, describe, expect, it } from 'vitest'
import type { LocalTransport } from '../../../media/parameters.ts'
import {
  answered,
  answerTo,
  BROWSER,
  PeerDialog,
  PHONE,
  reofferOf,
  ringing,
} from '../../harness/scripted-calls.ts'
import type { Peer } from '../../harness/scripted-gateway.ts'
import { statusIn } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx } from '../../harness/scripted-pbx.ts'

// The PBX keeps the registrations: who comes back by another WebSocket is whom the PBX has taken.

let pbx: ScriptedPbx
afterEach(() => pbx.gateway.close())

interface Talking {
  readonly peer: Peer
  readonly browser: PeerDialog
  readonly phone: PeerDialog
}

/** Another network: the browser offers with new ICE credentials. */
const RESTARTED: LocalTransport = {
  ...(BROWSER as Extract<LocalTransport, { kind: 'webrtc' }>),
  ice: { ufrag: 'efgh', pwd: 'efghijklmnopqrstuvwxyzab' },
}

const WAYS = {
  'that a browser has placed': async (): Promise<Talking> => {
    const peer = await pbx.registered('1001')
    const { caller, callee } = await answered(
      pbx.gateway,
      { peer, user: '1001', local: BROWSER },
      { peer: pbx.peer, number: '9100', local: PHONE },
    )
    return { peer, browser: caller, phone: callee }
  },
  'that a browser was called for': async (): Promise<Talking> => {
    const peer = await pbx.registered('1001')
    const call = pbx.calls(pbx.uriOf('1001').uri)
    const invite = await ringing(pbx.gateway, peer)
    const [browser, phone] = [new PeerDialog(BROWSER), new PeerDialog(PHONE)]
    browser.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, browser.handler)
    await pbx.gateway.time.advance(100)
    phone.dialog = call.dialog
    return { peer, browser, phone }
  },
} as const

/** In the names and tags of a call, of which REGISTER is none. */
const inCall = (): readonly string[] => pbx.gateway.pbxFlow.sent.filter((text) => !text.includes('REGISTER'))

describe.each(Object.entries(WAYS))('a call %s', (_, make) => {
  it('goes on by a new WebSocket that the PBX has registered, and the PBX sees nothing else of it', async () => {
    pbx = await ScriptedPbx.open()
    const { peer, browser, phone } = await make()
    const before = inCall().length
    await pbx.gateway.disconnect(peer)
    await pbx.gateway.time.advance(1_000)
    const again = pbx.gateway.reconnect(peer)
    expect(statusIn(await pbx.register(again, '1001', { callId: 'again' }))).toBe(200)
    await pbx.gateway.time.advance(500)
    expect(pbx.gateway.logged('connection replaced')).toMatchObject([{ fields: { user: '1001' } }])
    const answer = await browser.reoffer(pbx.gateway, reofferOf(RESTARTED, 'sendrecv'))
    expect(answer).toMatchObject({ status: 200 })
    expect(inCall().length, 'not one message').toBe(before)
    expect([browser.ended, phone.ended, pbx.gateway.calls.size]).toEqual([undefined, undefined, 1])
    browser.dialog?.bye()
    await pbx.gateway.time.advance(100)
    expect(inCall().slice(before).join()).toContain('BYE sip:')
    expect(pbx.gateway.calls.size).toBe(0)
  })

  it('is not for another user who names the same device', async () => {
    pbx = await ScriptedPbx.open()
    const { peer, browser } = await make()
    await pbx.gateway.disconnect(peer)
    const thief = pbx.browser('1002')
    expect(statusIn(await pbx.register(thief, '1002', { instance: '1001' }))).toBe(200)
    await pbx.gateway.time.advance(500)
    expect(pbx.gateway.logged('connection replaced')).toEqual([])
    expect(browser.ended).toBeUndefined()
    // Nobody comes back: the PBX is told, by the reason.
    const { lostConnectionS } = pbx.gateway.config.calls
    await pbx.gateway.time.advance(lostConnectionS * 1_000 + 1_000)
    expect(inCall().at(-1)).toMatch(/^BYE [\s\S]*text="call\.connection-lost"/)
    pbx.gateway.expectsVerdicts(['media.none-from-trunk', 'call.connection-lost'])
  })
})
