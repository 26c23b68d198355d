import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

test('a browser that vanishes is hung up towards the trunk, with the reason', async () => {
  const trunk = closing(await Sipp.start('uas-answer'))
  const daemon = closing(
    await Daemon.start({ trunks: [{ port: trunk.sipPort }], config: { media: { consentTimeoutS: 5 } } }),
  )
  const alice = await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice)
  await alice.register()
  const call = await alice.call('9100', { toneHz: 1000 })
  await call.waitForTone(440)
  // The laptop lid: no BYE, no close_notify that counts, no more checks.
  await alice.close()
  const messages = await expectSuccess(trunk)
  expect(messages).toMatch(/^Reason: SIP;cause=480;text="ice\.consent-lost"\r?$/m)
  await daemon.waitForNoCalls()
  daemon.expectsVerdicts('ice.consent-lost')
})
