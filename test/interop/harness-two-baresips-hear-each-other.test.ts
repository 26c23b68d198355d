import { describe, expect, test } from 'vitest'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { Baresip } from '../harness/baresip.ts'

describe.each(['rtp', 'sdes'] as const)('two baresips over %s', (media) => {
  test('recognise each other by their tones, and only those', async () => {
    const callee = await Baresip.start({ media, toneHz: 440 })
    const caller = await Baresip.start({ media, toneHz: 1000 })
    try {
      caller.dial(callee.uri)
      await caller.waitForEvent('CALL_ESTABLISHED')
      await Promise.all([callee.waitForTone(1000), caller.waitForTone(440)])
      const { samples, sampleRateHz } = await caller.heard()
      expect(toneMs(samples, { sampleRateHz, frequencyHz: 1000 })).toBe(0)
      caller.hangUp()
      await callee.waitForEvent('CALL_CLOSED')
    } finally {
      await caller.close()
      await callee.close()
    }
  })
})
