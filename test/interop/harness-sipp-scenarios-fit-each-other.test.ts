import { afterEach, describe, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { expectSuccess } from '../harness/expect-sipp.ts'
import { Sipp, type SippScenario } from '../harness/sipp.ts'

afterEach(closeAll)

describe('SIPp', () => {
  test.each([
    ['uac-call', 'uas-answer'],
    ['uac-call-ended-by-peer', 'uas-hang-up'],
    ['uac-call', 'uas-early-media-183'],
    ['uac-cancel', 'uas-no-answer'],
    ['uac-unknown-number', 'uas-404'],
  ] as const satisfies readonly (readonly [SippScenario, SippScenario])[])(
    '%s against %s',
    async (caller, callee) => {
      const uas = closing(await Sipp.start(callee, { holdMs: 300 }))
      const uac = closing(await Sipp.start(caller, { target: `127.0.0.1:${uas.sipPort}`, holdMs: 300 }))
      await expectSuccess(uac)
      await expectSuccess(uas)
    },
  )

  test('a scenario that meets another answer fails and tells what it saw', async () => {
    const uas = closing(await Sipp.start('uas-busy'))
    const uac = closing(await Sipp.start('uac-unknown-number', { target: `127.0.0.1:${uas.sipPort}` }))
    const { exitCode, log } = await uac.finished()
    expect(exitCode).not.toBe(0)
    expect(log).toContain('486 Busy Here')
  })

  test('its tone is heard by baresip', async () => {
    const peer = closing(await Baresip.start({ media: 'rtp', toneHz: 1000 }))
    const uac = closing(
      await Sipp.start('uac-call', {
        target: `127.0.0.1:${peer.sipPort}`,
        user: 'trunk',
        toneHz: 425,
        holdMs: 2_500,
      }),
    )
    await peer.waitForTone(425)
    await expectSuccess(uac)
  })
})
