import { afterEach, describe, expect, it } from 'vitest'
import { place, reasonText } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('registration', () => {
  it.each([
    ['alice', 'wrong'],
    ['nobody', 'wrong'],
  ])('of %s with a wrong password is refused alike', async (user, password) => {
    gateway = await ScriptedGateway.open()
    expect(await gateway.register(gateway.browser(), user, password)).toBe(403)
    expect(gateway.logged('REGISTER refused').at(-1)?.fields).toMatchObject({
      code: 'sip.bad-credentials',
      stage: 'S1',
    })
    expect(JSON.stringify(gateway.log)).not.toContain('wrong"')
  })

  it('cuts a WebSocket after ten wrong passwords', async () => {
    gateway = await ScriptedGateway.open()
    const peer = gateway.browser()
    for (let turn = 0; turn < 10; turn += 1)
      expect(await gateway.register(peer, 'alice', `wrong${turn}`)).toBe(403)
    expect(await gateway.register(peer, 'alice', 'wrong')).toBe('transport')
  })

  it('is refused for a while at an address that guesses, but not to who has signed in there', async () => {
    gateway = await ScriptedGateway.open()
    const alice = await gateway.registered('alice')
    const guesses = Array.from({ length: 80 }, () => gateway.register(gateway.browser(), 'bob', 'wrong'))
    await Promise.all(guesses)
    const bob = gateway.browser()
    expect(await gateway.register(bob, 'bob', gateway.passwordOf('bob'))).toBe(503)
    const call = place(bob, 'bob', 'echo')
    await gateway.time.advance(100)
    expect(reasonText(call)).toContain('sip.barred')
    expect(await gateway.register(alice, 'alice', gateway.passwordOf('alice'))).toBe(200)
    // Who has an account does not guess at others' with it.
    expect(await gateway.register(alice, 'bob', 'wrong')).toBe(403)
    expect(await gateway.register(alice, 'bob', 'wrong')).toBe(503)
    await gateway.time.advance(10_000)
    expect(await gateway.register(bob, 'bob', gateway.passwordOf('bob'))).toBe(200)
  })
})
