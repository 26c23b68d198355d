import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { Sipp } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

const TRUNK_HZ = 500
/** SIPp over TCP sends back what it hears, between its own: one tone for both. */
const BROWSER_HZ = { udp: 1_000, tcp: TRUNK_HZ } as const

afterEach(closeAll)

test.each(['tcp', 'udp'] as const)(
  'a large INVITE for a trunk over UDP reaches one that takes %s',
  async (transport) => {
    const pbx = closing(await Sipp.start('uas-answer', { transport, toneHz: TRUNK_HZ }))
    const daemon = closing(
      await Daemon.start({
        trunks: [{ port: pbx.sipPort }],
        config: { tcp: { host: '127.0.0.1', port: 0 } },
      }),
    )
    const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
    await alice.register()
    const headers = ['A', 'B', 'C'].map((name) => [`X-Case-${name}`, name.repeat(400)] as const)
    const call = await alice.call('9100', { toneHz: BROWSER_HZ[transport], headers })
    await call.waitForTone(TRUNK_HZ, 1_000)
    await call.hangUp()
    const messages = await expectSuccess(pbx)
    expect(messages).toMatch(/^INVITE /m)
    expect(messages).toContain(`Via: SIP/2.0/${transport.toUpperCase()} `)
    expect(messages).toContain('X-Case-C: CCC')
    await daemon.waitForNoCalls()
  },
)
