import { afterEach, expect, it } from 'vitest'
import { header } from '../../../sip/message/headers.ts'
import { reasonOf, statusIn } from '../../harness/scripted-gateway.ts'
import { ScriptedPbx } from '../../harness/scripted-pbx.ts'

let pbx: ScriptedPbx
afterEach(() => pbx.gateway.close())

/** One after the other, each of which is cut after ten guesses. */
const WEBSOCKETS = 9

it('an address that guesses is refused for a while, and the PBX sees nothing of it; who was signed in goes on', async () => {
  pbx = await ScriptedPbx.open()
  const user = await pbx.registered('1002')
  for (let count = 0; count < WEBSOCKETS; count += 1) {
    const browser = pbx.browser('1001', 'wrong')
    for (let tries = 0; tries < 10; tries += 1) await pbx.register(browser, '1001')
  }
  const seen = pbx.registers.length
  const late = await pbx.register(pbx.browser('1001'), '1001')
  if (typeof late === 'string') throw new Error(late)
  expect([statusIn(late), reasonOf(late)]).toEqual([503, expect.stringContaining('sip.barred')])
  expect(Number(header(late, 'Retry-After'))).toBeGreaterThan(0)
  expect(pbx.registers).toHaveLength(seen)
  expect(statusIn(await pbx.register(user, '1002'))).toBe(200)
  await pbx.gateway.time.advance(11_000)
  expect(statusIn(await pbx.register(pbx.browser('1001'), '1001'))).toBe(200)
})
