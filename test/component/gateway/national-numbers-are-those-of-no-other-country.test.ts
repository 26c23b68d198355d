import { afterEach, describe, expect, it } from 'vitest'
import type { Config, NumbersConfig } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { place, reasonText, ringing, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { asked, send, statusOfSent } from '../../harness/scripted-relay.ts'

const ALL: Config['routes'][number] = {
  prefix: '',
  trunk: 'pbx',
  strip: 0,
  add: '',
}
const { limits, numbers: unsaid } = loadConfig(undefined, {})

const RUSSIA: NumbersConfig = { countryCode: '7', nationalPrefix: '8', internationalPrefix: '810' }
const BRAZIL: NumbersConfig = { countryCode: '55', nationalPrefix: '0', internationalPrefix: '00' }
const CHINA: NumbersConfig = { countryCode: '86', nationalPrefix: '0', internationalPrefix: '00' }
const FRANCE: NumbersConfig = { countryCode: '33', nationalPrefix: '0', internationalPrefix: '00' }

let gateway: ScriptedGateway
afterEach(() => gateway.close())

const open = (numbers: NumbersConfig, deny: readonly string[] = []) =>
  ScriptedGateway.open({
    numbers,
    routes: [ALL],
    limits: { ...limits, user: { ...limits.user, deny: [...limits.user.deny, ...deny] } },
  })

describe('a national number is not one of another country', () => {
  it.each([
    ['of St Petersburg', RUSSIA, '88123456789', []],
    ['of Nizhny Novgorod', RUSSIA, '88314567890', []],
    ['of Lipetsk', RUSSIA, '88202123456', []],
    ['of a mobile in Kazakhstan', RUSSIA, '87011234567', []],
    ['of a mobile in Brazil', BRAZIL, '97991234567', []],
    ['of a mobile in the area of Brazil that is its country code', BRAZIL, '55991234567', ['+55900']],
    ['of a mobile in China', CHINA, '13812345678', ['+1']],
    ['of St Petersburg, where nobody has said which country this is', unsaid, '88123456789', []],
    ['of a mobile in Brazil, where nobody has said it', unsaid, '97991234567', []],
  ])('%s', async (_, numbers, number, deny) => {
    gateway = await open(numbers, deny)
    const alice = await gateway.registered('alice')
    const call = place(alice, 'alice', number)
    const invite = await ringing(gateway, gateway.trunk)
    expect(invite.request.uri.text).toContain(`sip:${number}@`)
    invite.reject(302, { headers: [{ name: 'Contact', value: `<sip:${number}@127.0.0.1:5070>` }] })
    await gateway.time.advance(200)
    // A trunk may send a call on to one, too.
    expect(gateway.trunk.invites.map(({ request }) => request.uri.user)).toEqual([number, number])
    gateway.trunk.invites[1]?.reject(486)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(486)
    const message = send(alice, 'MESSAGE', 'alice', number, { body: 'hello' })
    ;(await asked(gateway, gateway.trunk)).respond(202)
    await gateway.time.advance(100)
    expect(statusOfSent(message)).toBe(202)
    gateway.expectsVerdicts('call.refused')
  })
})

describe('a number of another country, or of our own, without its plus is denied', () => {
  it.each([
    ['of satellites', BRAZIL, '881612345678', []],
    ['of satellites, from nowhere', unsaid, '881612345678', []],
    ['of satellites, where 8 leads into the country', RUSSIA, '881612345678', []],
    ['of our own country', FRANCE, '33899123456', ['+33899']],
    ['of our own country, with the plan of another kind', RUSSIA, '79091234567', ['+7909']],
    ['with the letter of the end of dialling', BRAZIL, '881612345678A', []],
    ['behind a letter', BRAZIL, 'p881612345678', []],
    ['with separators that we do not take away', BRAZIL, '8816~1234~5678', []],
  ])('%s', async (_, numbers, number, deny) => {
    gateway = await open(numbers, deny)
    const call = place(await gateway.registered('alice'), 'alice', number)
    await gateway.time.advance(200)
    expect([statusOf(call), gateway.trunk.invites]).toEqual([403, []])
    expect(reasonText(call)).toContain('limit.destination')
    gateway.expectsVerdicts('limit.destination')
  })
})

it('the digits of a name are no number', async () => {
  gateway = await open(BRAZIL)
  const name = 'f8c81f2d-6123-4a56-b789-0123cafe4567'
  const call = place(await gateway.registered('alice'), 'alice', name)
  ;(await ringing(gateway, gateway.trunk)).reject(486)
  await gateway.time.advance(100)
  expect(statusOf(call)).toBe(486)
  gateway.expectsVerdicts('call.refused')
})
