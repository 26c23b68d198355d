import { afterEach, describe, expect, it } from 'vitest'
import type { Code } from '../../../gateway/diagnosis.ts'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import type { Body } from '../../../sip/user-agent.ts'
import { BROWSER, offerOf, PHONE, place, reasonText, sdp, statusOf } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

describe('a call that cannot be', () => {
  it.each([
    ['to an unknown number', 'alice', 'nobody', offerOf(BROWSER), 404, 'call.unknown-number'],
    [
      'to a number of 129 characters',
      'alice',
      `0${'1'.repeat(128)}`,
      offerOf(BROWSER),
      404,
      'call.unknown-number',
    ],
    [
      'to a number of which the route leaves nothing',
      'alice',
      '0',
      offerOf(BROWSER),
      484,
      'call.nothing-to-dial',
    ],
    ['to a user who is not registered', 'alice', 'bob', offerOf(BROWSER), 480, 'call.not-registered'],
    ['without SDP', 'alice', 'echo', 'none', 488, 'call.no-offer'],
    [
      'with another body type',
      'alice',
      'echo',
      { contentType: 'text/plain', bytes: Buffer.from('hello') },
      415,
      'sip.unsupported-media-type',
    ],
    ['with garbage for SDP', 'alice', 'echo', sdp('garbage'), 400, 'sdp.malformed'],
    [
      'without a fingerprint',
      'alice',
      'echo',
      sdp(
        Buffer.from(offerOf(BROWSER).bytes)
          .toString()
          .replace(/a=fingerprint.*\r\n/g, ''),
      ),
      488,
      'sdp.no-fingerprint',
    ],
    [
      'with no codec that the trunk has',
      'alice',
      '0100',
      offerOf(BROWSER, [
        STANDARD_CODECS[0] ?? { name: '', clockRateHz: 0, channels: 1, payloadType: 0, format: undefined },
      ]),
      488,
      'sdp.no-common-codec',
    ],
    [
      'to tone with opus only',
      'alice',
      'tone',
      offerOf(BROWSER, [
        STANDARD_CODECS[0] ?? { name: '', clockRateHz: 0, channels: 1, payloadType: 0, format: undefined },
      ]),
      488,
      'sdp.no-common-codec',
    ],
  ] satisfies readonly (readonly [string, string, string, Body | 'none', number, Code])[])(
    '%s is refused with its status and code',
    async (_name, from, to, body, status, code) => {
      gateway = await ScriptedGateway.open()
      const call = place(await gateway.registered('alice'), from, to, { body })
      await gateway.time.advance(500)
      expect([statusOf(call), reasonText(call)]).toEqual([status, `SIP;cause=${status};text="${code}"`])
      // The next call is served.
      const next = place(await gateway.registered('alice'), 'alice', 'echo')
      await gateway.time.advance(500)
      expect(statusOf(next)).toBe(200)
      next.dialog?.bye()
      // What can be nobody's number is refused before it is asked who calls, and so not kept.
      if (to.length <= 128) gateway.expectsVerdicts(code)
    },
  )

  it('from a stranger over UDP is refused with 403', async () => {
    gateway = await ScriptedGateway.open()
    await gateway.registered('alice')
    const call = place(gateway.stranger(), 'pbx', 'alice', { body: offerOf(PHONE) })
    await gateway.time.advance(500)
    expect([statusOf(call), reasonText(call)]).toEqual([403, 'SIP;cause=403;text="call.forbidden"'])
  })

  it('from a browser that never signed in is challenged', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(gateway.browser(), 'alice', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(401)
    expect(
      typeof call.final === 'object' &&
        call.final.headers
          .filter((row) => row.name === 'WWW-Authenticate')
          .map((row) => /algorithm=[\w-]+/.exec(row.value)?.[0]),
    ).toEqual(['algorithm=SHA-512-256', 'algorithm=SHA-256', 'algorithm=MD5'])
  })

  it('in the name of another user is challenged, not believed', async () => {
    gateway = await ScriptedGateway.open()
    const call = place(await gateway.registered('alice'), 'bob', 'echo')
    await gateway.time.advance(500)
    expect(statusOf(call)).toBe(401)
  })

  it('one past the maximum of calls is refused with 503 and Retry-After', async () => {
    const base = await ScriptedGateway.open()
    const { calls } = base.config
    await base.close()
    gateway = await ScriptedGateway.open({ calls: { ...calls, maxCalls: 1 } })
    const alice = await gateway.registered('alice')
    const first = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    const second = place(alice, 'alice', 'echo')
    await gateway.time.advance(500)
    expect([statusOf(first), statusOf(second)]).toEqual([200, 503])
    expect(reasonText(second)).toContain('call.overload')
    first.dialog?.bye()
    gateway.expectsVerdicts('call.overload')
  })
})
