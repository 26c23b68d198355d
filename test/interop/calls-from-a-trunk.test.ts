import { afterEach, describe, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { freePort } from '../harness/ports.ts'
import { headerOf } from '../harness/sip-text.ts'
import { Sipp, type SippOptions, type SippScenario } from '../harness/sipp.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const start = async (): Promise<{ daemon: Daemon; alice: WebrtcClient; sipPort: number }> => {
  const sipPort = await freePort()
  const daemon = closing(await Daemon.start({ trunks: [{ port: sipPort }] }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  return { daemon, alice, sipPort }
}

const call = async (daemon: Daemon, scenario: SippScenario, options: SippOptions): Promise<Sipp> =>
  closing(await Sipp.start(scenario, { target: daemon.sipAddress, user: 'alice', ...options }))

describe('a call from a trunk', () => {
  test('is heard by the browser until the trunk hangs up', async () => {
    const { daemon, alice, sipPort } = await start()
    const trunk = await call(daemon, 'uac-call', { sipPort, toneHz: 425, holdMs: 3_000 })
    const incoming = await alice.nextInvitation()
    await incoming.answer({ toneHz: 1000 })
    await incoming.waitForTone(425, 1_000)
    await incoming.waitForEnd()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('is offered to the browser as WebRTC, from the number that calls', async () => {
    const { daemon, alice, sipPort } = await start()
    await call(daemon, 'uac-call', { sipPort })
    const incoming = await alice.nextInvitation()
    const [invite] = incoming.received
    expect(headerOf(invite ?? { startLine: '', headers: [], body: '' }, 'From')).toContain('sip:sipp@')
    expect(invite?.body).toMatch(/^m=audio \d+ UDP\/TLS\/RTP\/SAVPF /m)
    for (const line of [
      'a=ice-lite',
      'a=rtcp-mux',
      'a=fingerprint:sha-256 ',
      'a=setup:actpass',
      'a=candidate:',
    ])
      expect(invite?.body).toContain(line)
    expect(invite?.body).not.toContain('a=crypto')
    incoming.reject('486 Busy Here')
    daemon.expectsVerdicts('call.refused')
  })

  test('ends when the browser hangs up', async () => {
    const { daemon, alice, sipPort } = await start()
    const trunk = await call(daemon, 'uac-call-ended-by-peer', { sipPort })
    const incoming = await alice.nextInvitation()
    await incoming.answer({ toneHz: 1000 })
    await incoming.waitForTone(440)
    await incoming.hangUp()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
  })

  test('is cancelled at the browser when the trunk gives up', async () => {
    const { daemon, alice, sipPort } = await start()
    const trunk = await call(daemon, 'uac-cancel', { sipPort })
    const incoming = await alice.nextInvitation()
    await incoming.waitForEnd()
    await expectSuccess(trunk)
    await daemon.waitForNoCalls()
    daemon.expectsVerdicts('cancelled')
  })

  test.each([
    ['a number nobody has', 'uac-unknown-number', 'nobody', 'call.unknown-number'],
    ['an outgoing number, which would be toll fraud', 'uac-unknown-number', '9100', 'call.unknown-number'],
    ['the built-in echo', 'uac-unknown-number', 'echo', 'call.unknown-number'],
    ['what is no SDP', 'uac-sdp-garbage', 'alice', 'sdp.malformed'],
    ['video alone', 'uac-sdp-without-audio', 'alice', 'sdp.no-audio'],
    ['codecs no browser has', 'uac-sdp-without-common-codec', 'alice', 'sdp.no-common-codec'],
  ] as const)('with %s is refused and never reaches the browser', async (_what, scenario, user, code) => {
    const { daemon, alice, sipPort } = await start()
    const trunk = await call(daemon, scenario, { sipPort, user })
    expect(await expectSuccess(trunk)).toContain(code)
    daemon.expectsVerdicts(code)
    await daemon.waitForNoCalls()
    expect(alice.log).not.toContain('<<< INVITE')
  })

  test('from an address that is no trunk is refused', async () => {
    const daemon = closing(
      await Daemon.start({ trunks: [{ port: await freePort(), sources: ['198.51.100.7'] }] }),
    )
    const stranger = await call(daemon, 'uac-source-not-trusted', {})
    expect(await expectSuccess(stranger)).toContain('call.forbidden')
    await daemon.waitForNoCalls()
  })
})
