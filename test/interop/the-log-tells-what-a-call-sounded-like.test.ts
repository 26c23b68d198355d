import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS } from '../harness/daemon.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

test('loss, jitter and MOS of each leg are in the line of its end', async () => {
  const pbx = closing(await Baresip.start({ media: 'sdes', toneHz: 440, user: '9100' }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort, media: 'sdes' }] }))
  const alice = closing(await WebrtcClient.connect(daemon.webSocketUrl, 'alice', PASSWORDS.alice))
  await alice.register()
  const call = await alice.call('9100', { toneHz: 1000 })
  await Promise.all([call.waitForTone(440, 1_000), pbx.waitForTone(1000)])
  await call.hangUp()
  await daemon.waitForNoCalls()

  const line = await daemon.waitForLog('the end of media', ({ message }) => message === 'media closed')
  // A busy machine loses a packet now and then.
  const few = expect.toSatisfy((ratio: number) => ratio < 0.02)
  const figures = { lossRatio: few, jitterMs: expect.any(Number), mos: expect.any(Number) }
  expect(line.legs).toMatchObject({ caller: figures, callee: figures })
  for (const { mos } of Object.values(line.legs as Record<string, { readonly mos: number }>)) {
    expect(mos).toBeGreaterThan(4)
  }
})
