import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Direction } from '../../../media/parameters.ts'
import { parseDescription } from '../../../sdp/parse.ts'
import type { Body, IncomingReinvite } from '../../../sip/user-agent.ts'
import { type AnsweredCall, answered, BROWSER, PHONE, reofferOf, sdp } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
let call: AnsweredCall
beforeEach(async () => {
  gateway = await ScriptedGateway.open()
  call = await answered(
    gateway,
    { peer: await gateway.registered('alice'), user: 'alice', local: BROWSER },
    { peer: gateway.trunk, number: '0100', local: PHONE },
  )
})
afterEach(() => gateway.close())

/** What the browser offers when its microphone is taken away, and when it is added again: a section of its own. */
const taken = (): Body => reofferOf(BROWSER, 'recvonly', 2)
function added(change: (section: string) => string = (section) => section, version = 3): Body {
  const text = Buffer.from(reofferOf(BROWSER, 'recvonly', version).bytes).toString()
  const section = text.slice(text.indexOf('m=audio'))
  const second = section.replace('a=mid:0', 'a=mid:1').replace('a=recvonly', 'a=sendrecv')
  return sdp(change(`${text.replace('BUNDLE 0', 'BUNDLE 0 1')}${second}`))
}

const directionsIn = (text: string): (string | undefined)[] =>
  parseDescription(Buffer.from(text)).sections.map(
    ({ attributes, port }) =>
      `${port === 0 ? 'rejected ' : ''}${attributes.find(({ name }) => /^(?:send|recv|inactive)/.test(name))?.name}`,
  )

const answerOf = (response: Awaited<ReturnType<typeof call.caller.reoffer>>): string =>
  typeof response === 'object' ? response.body.toString() : String(response)

describe('a browser whose microphone was taken away and comes back in a section of its own', () => {
  it('is heard again; the trunk has one section all the time', async () => {
    const removed = await call.caller.reoffer(gateway, taken())
    expect(directionsIn(answerOf(removed))).toEqual(['sendonly'])
    expect(call.callee.offers.map(directionsIn)).toEqual([['recvonly']])
    call.callee.direction = 'sendrecv'
    const answer = await call.caller.reoffer(gateway, added())
    expect(directionsIn(answerOf(answer))).toEqual(['sendonly', 'recvonly'])
    expect(call.callee.offers.map(directionsIn)).toEqual([['recvonly'], ['sendrecv']])
    call.caller.dialog?.bye()
  })

  it('is offered both sections when the trunk holds and resumes, and its answer is read from both', async () => {
    await call.caller.reoffer(gateway, taken())
    await call.caller.reoffer(gateway, added())
    const answers: string[] = []
    const directions: Direction[][] = [
      ['recvonly', 'inactive'],
      ['recvonly', 'sendonly'],
    ]
    call.caller.answers = (reinvite: IncomingReinvite) => {
      const [first = 'inactive', second = 'inactive'] = directions.shift() ?? []
      const text = Buffer.from(added().bytes).toString().replaceAll('actpass', 'active')
      const answer = text.replace('a=recvonly', `a=${first}`).replace('a=sendrecv', `a=${second}`)
      answers.push(answer)
      reinvite.accept({ body: sdp(answer) })
    }
    await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendonly', 4))
    await call.callee.reoffer(gateway, reofferOf(PHONE, 'sendrecv', 5))
    expect(call.caller.offers.map(directionsIn)).toEqual([
      ['sendonly', 'inactive'],
      ['sendonly', 'recvonly'],
    ])
    expect(answers).toHaveLength(2)
    // Nothing has changed for the trunk: it is not asked again.
    expect(call.callee.offers).toHaveLength(2)
    call.caller.dialog?.bye()
  })

  it('is told by a finding where it shares no transport, and the call goes on', async () => {
    await call.caller.reoffer(gateway, taken())
    const answer = await call.caller.reoffer(
      gateway,
      added((text) => text.replace('BUNDLE 0 1', 'BUNDLE 0')),
    )
    expect(directionsIn(answerOf(answer))).toEqual(['sendonly', 'rejected inactive'])
    expect(gateway.logged('call impaired').map(({ fields }) => [fields.code, fields.leg])).toEqual([
      ['sdp.audio-elsewhere', 'caller'],
    ])
    call.caller.dialog?.bye()
    await gateway.time.advance(100)
    gateway.expectsVerdicts('sdp.audio-elsewhere')
  })
})
