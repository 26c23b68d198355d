import { describe, expect, test } from 'vitest'
import { failureText, parseReasons, wasTakenElsewhere } from '../../../../gateway/pages/failure-text.ts'

describe('a final response', () => {
  test('is told in plain words, with status, phrase and the text of its Reason', () => {
    const text = failureText({
      status: 488,
      phrase: 'Not Acceptable Here',
      reasons: ['SIP;cause=488;text="sdp.no-common-codec"'],
    })
    expect(text).toBe('No common audio format (488 Not Acceptable Here: sdp.no-common-codec)')
  })

  test('of a wrong password says so, though its status says less', () => {
    const reasons = ['SIP;cause=403;text="sip.bad-credentials"']
    expect(failureText({ status: 403, phrase: 'Forbidden', reasons })).toBe(
      'Wrong user name or password (403 Forbidden: sip.bad-credentials)',
    )
  })

  test.each([
    [503, 'sip.barred', 'Too many wrong passwords from here; wait ten seconds'],
    [403, 'upstream.foreign-domain', 'Sign in as name@domain'],
    [503, 'limit.concurrent', 'All lines are busy'],
    [503, 'trunk.full', 'All lines are busy'],
    [503, 'limit.rate', 'Too many calls in a short time'],
    [403, 'limit.destination', 'This number may not be called'],
    [503, 'trunk.unreachable', 'The phone line does not work'],
    [503, 'call.draining', 'The phone service restarts'],
    [480, 'ice.no-check-seen', 'The audio connection failed; another network may help'],
    [480, 'call.not-registered', 'Not available'],
    [503, 'call.overload', 'Service not available'],
    [503, 'media.overload', 'Service not available'],
  ])('%i of the gateway for %s says: %s', (status, code, words) => {
    const reasons = [`SIP;cause=${status};text="${code}"`]
    expect(failureText({ status, phrase: 'No', reasons })).toBe(`${words} (${status} No: ${code})`)
  })

  test('without plain words or a Reason is told as it came', () => {
    expect(failureText({ status: 499, phrase: 'Odd', reasons: [] })).toBe('499 Odd')
    expect(failureText({ status: 499, phrase: '', reasons: [] })).toBe('499')
  })

  test('with a Reason without text names its cause', () => {
    const text = failureText({ status: 486, phrase: 'Busy Here', reasons: ['Q.850 ; cause=17'] })
    expect(text).toBe('Busy (486 Busy Here: Q.850 cause 17)')
  })
})

describe('BYE or CANCEL', () => {
  const ended = (reasons: readonly string[]): string | undefined =>
    failureText({ status: undefined, phrase: '', reasons })

  test('of an ordinary end says nothing', () => {
    expect(ended([])).toBeUndefined()
    expect(ended(['Q.850;cause=16;text="Normal call clearing"'])).toBeUndefined()
    expect(ended(['SIP;cause=200;text="Call completed elsewhere"'])).toBeUndefined()
  })

  test.each([
    ['SIP;cause=200;text="Call completed elsewhere"', true],
    ['Q.850;cause=16, SIP ; cause=200', true],
    ['Q.850;cause=26', true],
    ['SIP;cause=2000', false],
    ['Q.850;cause=200', false],
    ['SIP;cause=603', false],
  ])('of a call that another phone has taken is no missed call: %s %s', (reason, isTaken) => {
    expect(wasTakenElsewhere([reason])).toBe(isTaken)
  })

  test('says why the gateway ended the call', () => {
    expect(ended(['SIP;cause=480;text="call.connection-lost"'])).toBe('Call ended: call.connection-lost')
    expect(ended(['Q.850;cause=38'])).toBe('Call ended: Q.850 cause 38')
  })

  test.each([
    ['ice.consent-lost', 'The audio connection failed; another network may help'],
    ['dtls.handshake-timeout', 'The audio connection failed; another network may help'],
    ['media.none-from-trunk', 'No sound from the other side'],
    ['media.none-from-browser', 'No sound came through'],
    ['media.silent', 'The audio connection was lost'],
    ['call.too-long', 'The call was too long'],
  ])('for %s says: %s', (code, words) => {
    expect(ended([`SIP;cause=480;text="${code}"`])).toBe(`${words} (${code})`)
  })

  test('keeps what is wrong beside what is normal', () => {
    expect(ended(['Q.850;cause=16, SIP;cause=503;text="call.draining"'])).toBe(
      'The phone service restarts (call.draining)',
    )
  })
})

describe('Reason values', () => {
  test('are split at commas outside of quotes, quotes and backslashes undone', () => {
    expect(parseReasons(['SIP;cause=500;text="a, \\"b\\"", Q.850;cause=38'])).toEqual([
      { protocol: 'SIP', cause: 500, text: 'a, "b"' },
      { protocol: 'Q.850', cause: 38, text: undefined },
    ])
  })

  test('of any shape are no reason to fail', () => {
    expect(parseReasons([''])).toEqual([])
    expect(parseReasons([';', '"', 'SIP;cause=abc'])).toHaveLength(2)
  })
})
