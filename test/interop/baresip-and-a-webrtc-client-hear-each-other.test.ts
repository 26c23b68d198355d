import { afterEach, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const TRUNK_HZ = 440
const BROWSER_HZ = 1000

describe.each(['rtp', 'sdes'] as const)('over %s', (media) => {
  const start = async (): Promise<{ daemon: Daemon; pbx: Baresip; alice: WebrtcClient }> => {
    const pbx = closing(await Baresip.start({ media, toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media }] }))
    const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
    await alice.register()
    return { daemon, pbx, alice }
  }

  test.each(['PCMU', 'PCMA'] as const)('the browser calls with %s', async (codec) => {
    const { daemon, pbx, alice } = await start()
    const call = await alice.call('9100', { toneHz: BROWSER_HZ, codecs: [codec] })
    await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
    expect(pbx.log).toContain(`Set audio encoder: ${codec}`)
    await call.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test('the PBX calls', async () => {
    const { daemon, pbx, alice } = await start()
    pbx.dial(`sip:alice@${daemon.sipAddress}`)
    const call = await alice.nextInvitation()
    await call.answer({ toneHz: BROWSER_HZ })
    await Promise.all([call.waitForTone(TRUNK_HZ, 1_000), pbx.waitForTone(BROWSER_HZ)])
    pbx.hangUp()
    await call.waitForEnd()
    await daemon.waitForNoCalls()
  })
})
