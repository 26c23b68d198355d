import { expect, test } from 'vitest'
import { AGES_MS, expectNothingLeft, pair } from '../../harness/sip/pair.ts'
import { sdp } from '../../harness/sip/phone.ts'

test.each([1, 2, 3])(
  '1 000 calls with a quarter of the datagrams lost each way leave nothing behind (seed %i)',
  (seed) => {
    const { clock, alice, bob, from } = pair(
      { loss: 0.25, duplicates: 0.1, jitterMs: 200 },
      {
        seed,
        alice: { onReinvite: (reinvite) => reinvite.accept({ body: sdp('again') }) },
        bob: {
          onInvite: (invite, phone) => {
            invite.progress(180)
            const afterMs = clock.nowMs() + Math.floor(clock.random() * 5_000)
            const kind = clock.random()
            clock.schedule(afterMs, () => {
              if (phone.diary.includes(`gone ${invite.request.callId}`)) return
              if (kind < 0.2) invite.reject(486)
              else phone.answer(invite)
            })
            invite.handler = { onCancel: () => phone.diary.push(`gone ${invite.request.callId}`) }
          },
          onReinvite: (reinvite) => reinvite.accept({ body: sdp('again') }),
        },
      },
    )
    for (let i = 0; i < 1_000; i += 1) {
      const startMs = clock.nowMs() + i * 20
      clock.schedule(startMs, () => {
        const call = alice.call(from)
        if (clock.random() < 0.2)
          clock.schedule(startMs + Math.floor(clock.random() * 4_000), () => call.cancel())
      })
    }
    clock.advance(90_000)
    for (const [index, dialog] of [...alice.dialogs, ...bob.dialogs].entries()) {
      if (index % 3 === 0) dialog.reinvite({ body: sdp('more') }, () => {})
    }
    clock.advance(90_000)
    for (const dialog of alice.dialogs) if (clock.random() < 0.6) dialog.bye()
    for (const dialog of bob.dialogs) if (clock.random() < 0.6) dialog.bye()
    clock.advance(AGES_MS)
    // Whoever still believes in the call ends it; a BYE lost eleven times leaves one side behind.
    for (const dialog of [...alice.dialogs, ...bob.dialogs]) dialog.bye()
    clock.advance(AGES_MS)

    const outcomes = alice.diary.filter((line) => /^(accept|reject)/.test(line))
    expect(outcomes).toHaveLength(1_000)
    expect(outcomes.filter((line) => line === 'reject timeout').length).toBeLessThan(20)
    expect(alice.dialogs.length).toBeGreaterThan(500)
    expect(alice.dialogs.every((dialog) => dialog.state === 'ended')).toBe(true)
    expectNothingLeft(alice, bob)
  },
)
