import { describe, expect, it } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { GatewayFailure } from '../../../../gateway/gateway-failure.ts'
import { AccountRegistration } from '../../../../gateway/registration/account-registration.ts'
import { TrunkHealth } from '../../../../gateway/trunks/trunk-health.ts'
import type { Header, SipResponse } from '../../../../sip/message/message.ts'
import { parseMessage } from '../../../../sip/message/parser.ts'
import type { NoAnswer } from '../../../../sip/user-agent.ts'
import { VirtualTime } from '../../../harness/virtual-time.ts'

const CONTACT = 'sip:4930@192.0.2.1:5060;transport=udp'

function response(status: number, ...lines: readonly string[]): SipResponse {
  const head = [
    `SIP/2.0 ${status} Reason`,
    'Via: SIP/2.0/UDP a;branch=z9hG4bKx',
    'From: <sip:a@b>;tag=1',
    'To: <sip:a@b>',
  ]
  const text = [...head, 'Call-ID: c', 'CSeq: 1 REGISTER', ...lines, 'Content-Length: 0', '', ''].join('\r\n')
  const message = parseMessage(Buffer.from(text))
  if (message.kind !== 'response') throw new TypeError('a response')
  return message
}

function logged(): { readonly lines: string[]; readonly log: Log } {
  const lines: string[] = []
  const note = (message: string): void => void lines.push(message)
  const log: Log = { error: note, warn: note, info: note, debug: () => {}, child: () => log }
  return { lines, log }
}

describe('a registration at a trunk', () => {
  type Done = (outcome: SipResponse | NoAnswer) => void

  function registering(answers: readonly (SipResponse | NoAnswer)[], bulk = false, isReplaced = false) {
    const time = new VirtualTime()
    const { lines, log } = logged()
    const sent: {
      readonly atS: number
      readonly expires: string | undefined
      readonly contact: string | undefined
    }[] = []
    const rest = [...answers]
    const unanswered: Done[] = []
    const failures: string[] = []
    const extensions: (string | undefined)[] = []
    const started = time.nowMs()
    const registration = new AccountRegistration({
      owner: { kind: 'trunk', name: 'pbx' },
      expiresS: 1_000,
      isBulk: bulk,
      environment: time,
      log,
      contact: () => CONTACT,
      isReplaced: () => isReplaced,
      onFailed: (reason) => failures.push(reason),
      send: (headers: readonly Header[], done: Done) => {
        const value = (name: string) => headers.find((header) => header.name === name)?.value
        extensions.push(value('Require'))
        sent.push({
          atS: (time.nowMs() - started) / 1_000,
          expires: value('Expires'),
          contact: value('Contact'),
        })
        const answer = rest.shift()
        if (answer !== undefined) done(answer)
        else unanswered.push(done)
      },
    })
    registration.start()
    const times = () => sent.map(({ atS }) => Math.round(atS))
    return { time, lines, sent, registration, failures, extensions, times, unanswered }
  }

  it('is refreshed at 0.8 of what the trunk grants our contact', async () => {
    const granted = response(
      200,
      `Contact: <sip:other@x>;expires=10, <${CONTACT}>;expires=500`,
      'Expires: 900',
    )
    const { time, lines, sent, registration, times } = registering([
      granted,
      response(200, 'Expires: 100'),
      response(200),
    ])
    expect(sent[0]).toEqual({ atS: 0, expires: '1000', contact: `<${CONTACT}>` })
    expect(registration.isRegistered).toBe(true)
    await time.advance(480_000)
    expect(times()).toEqual([0, 400, 480])
    expect(lines).toEqual(['trunk registered'])
    // The last 200 said nothing: what was asked for counts.
    await time.advance(800_000)
    expect(times()).toEqual([0, 400, 480, 1_280])
  })

  it.each([
    ['sip:4930@192.0.2.1:5060;Transport=UDP;line=7', 'with what makes no difference to a URI'],
    ['sip:4930@192.0.2.1', 'without what does, alone'],
  ])('knows its contact in <%s>, %s', (contact) => {
    const { sent, time } = registering([response(200, `Contact: <${contact}>;expires=500`, 'Expires: 900')])
    return time.advance(400_000).then(() => expect(sent).toHaveLength(2))
  })

  it('takes no other contact of several for its own', async () => {
    const others = '<sip:4930@192.0.2.8>;expires=100, <sip:4930@192.0.2.9>;expires=200'
    const { sent, time } = registering([response(200, `Contact: ${others}`, 'Expires: 500')])
    await time.advance(399_000)
    expect(sent).toHaveLength(1)
    await time.advance(1_000)
    expect(sent).toHaveLength(2)
  })

  it('asks for the interval of a 423, and no more than twice', async () => {
    const brief = (seconds: number) => response(423, `Min-Expires: ${seconds}`)
    const { sent } = registering([brief(2_000), response(200)])
    expect(sent.map(({ expires }) => expires)).toEqual(['1000', '2000'])
    const again = registering([brief(2_000), brief(3_000), brief(4_000)])
    expect(again.sent.map(({ expires }) => expires)).toEqual(['1000', '2000', '3000'])
    expect(again.lines).toEqual(['trunk not registered'])
    expect(registering([brief(500)]).sent).toHaveLength(1)
    expect(registering([brief(90_000)]).sent).toHaveLength(1)
  })

  it('is tried ever more seldom after failures, and said to fail once', async () => {
    const { time, lines, times } = registering(Array<NoAnswer>(40).fill('timeout'))
    await time.advance(3_600_000)
    const waits = times()
      .map((atS, index, all) => atS - (all[index - 1] ?? 0))
      .slice(1)
    expect(waits.slice(0, 3).every((wait, index) => wait >= 3 * 2 ** index && wait <= 5 * 2 ** index)).toBe(
      true,
    )
    expect(waits.slice(7).every((wait) => wait >= 224 && wait <= 300)).toBe(true)
    expect(lines).toEqual(['trunk not registered'])
  })

  it('waits as long as Retry-After says, and long after a wrong password', async () => {
    const busy = registering([response(503, 'Retry-After: 40'), response(200)])
    await busy.time.advance(39_000)
    expect(busy.sent).toHaveLength(1)
    await busy.time.advance(1_000)
    expect(busy.lines).toEqual(['trunk not registered', 'trunk registered'])
    const wrong = registering([response(403), response(403)])
    await wrong.time.advance(44_000)
    expect(wrong.sent).toHaveLength(1)
    await wrong.time.advance(16_000)
    expect(wrong.sent).toHaveLength(2)
    expect(wrong.lines, 'said once').toEqual(['trunk not registered'])
  })

  it('is made anew when the trunk was away, once and not beside one that is under way', async () => {
    const { time, sent, registration, lines } = registering([response(200), response(200)])
    registration.renew()
    expect(sent).toHaveLength(2)
    expect(lines).toEqual(['trunk registered', 'trunk registered'])
    // The third is not answered.
    registration.renew()
    registration.renew()
    expect([sent.length, time.pending]).toEqual([3, 0])
    const stopped = registering([response(200), response(200)])
    await stopped.registration.stop()
    stopped.registration.renew()
    expect(stopped.sent).toHaveLength(2)
  })

  it('of all numbers at once asks for that extension, and says so when the trunk lacks it', async () => {
    const bulk = registering([response(420, 'Unsupported: gin')], true)
    expect(bulk.extensions).toEqual(['gin'])
    expect(bulk.failures).toEqual(['420 Reason'])
    expect(registering([response(200)]).extensions).toEqual([undefined])
  })

  it('is taken back at the end, where there is one', async () => {
    const { time, sent, registration } = registering([response(200), response(200)])
    await registration.stop()
    expect(sent.map(({ expires }) => expires)).toEqual(['1000', '0'])
    expect([registration.isRegistered, time.pending]).toEqual([false, 0])
    const failed = registering(['transport'])
    await failed.registration.stop()
    expect([failed.sent.length, failed.time.pending]).toEqual([1, 0])
  })

  it('is taken back too where it was under way at the end', async () => {
    const { time, sent, registration, unanswered } = registering([])
    await registration.stop()
    unanswered[0]?.(response(200))
    expect(sent.map(({ expires }) => expires)).toEqual(['1000', '0'])
    expect([registration.isRegistered, time.pending]).toEqual([false, 0])
    const refused = registering([])
    await refused.registration.stop()
    refused.unanswered[0]?.(response(403))
    expect(refused.sent).toHaveLength(1)
  })

  it('is left there where it was under way at the end, and another one has its Contact by then', async () => {
    const { sent, registration, unanswered } = registering([], false, true)
    await registration.stop()
    unanswered[0]?.(response(200))
    expect(sent).toHaveLength(1)
  })

  it('that the trunk has forgotten in time is none', async () => {
    const { time, registration } = registering([
      response(200, 'Expires: 100'),
      ...Array<NoAnswer>(9).fill('timeout'),
    ])
    await time.advance(99_000)
    expect(registration.isRegistered).toBe(true)
    await time.advance(1_000)
    expect(registration.isRegistered).toBe(false)
  })
})

describe('the health of a trunk', () => {
  function watched(outcomes: readonly (number | NoAnswer | 'nowhere' | 'never')[]) {
    const states: string[] = []
    const time = new VirtualTime()
    const { lines, log } = logged()
    const rest = [...outcomes]
    const health = new TrunkHealth({
      trunk: 'pbx',
      intervalS: 10,
      environment: time,
      log,
      seenOf: String,
      onState: (state) => states.push(state),
      ask: (done) => {
        const next = rest.shift() ?? 200
        if (next === 'never') return
        if (next === 'nowhere') throw new GatewayFailure('trunk.unresolved', { seen: 'h' })
        done(typeof next === 'number' ? response(next) : next)
      },
    })
    health.start()
    return { time, lines, health, states }
  }

  it('is up with the first answer, whatever it says', () => {
    for (const status of [200, 404, 405, 486]) expect(watched([status]).health.state).toBe('up')
  })

  it('is asked once an interval, though answers come when they are no longer waited for, or twice', async () => {
    const time = new VirtualTime()
    const asked: ((outcome: SipResponse) => void)[] = []
    const health = new TrunkHealth({
      ...{ trunk: 'pbx', intervalS: 10, environment: time, log: logged().log, seenOf: String },
      onState: () => {},
      ask: (done) => void asked.push(done),
    })
    health.start()
    await time.advance(9_000)
    const late = response(200)
    for (const done of [...asked, ...asked]) done(late)
    expect(health.state).toBe('unknown')
    await time.advance(50_000)
    expect([asked.length, time.pending]).toEqual([6, 1])
    health.stop()
  })

  it('is down after three failures in a row and up again after two answers in a row', async () => {
    const { time, lines, health, states } = watched([
      200,
      'timeout',
      503,
      200,
      'timeout',
      'transport',
      'nowhere',
      200,
      408,
      200,
      404,
    ])
    await time.advance(50_000)
    expect(health.state).toBe('up')
    await time.advance(10_000)
    expect(health.state).toBe('down')
    await time.advance(30_000)
    expect(health.state).toBe('down')
    await time.advance(10_000)
    expect(health.state).toBe('up')
    expect(lines).toEqual(['trunk is up', 'trunk is down', 'trunk is up'])
    expect(states).toEqual(['up', 'down', 'up'])
  })

  it('is what it was when it could not be asked for a full table of ours', async () => {
    const { time, health, states } = watched([
      200,
      'timeout',
      'timeout',
      'overload',
      'overload',
      'overload',
      'timeout',
    ])
    await time.advance(50_000)
    expect([health.state, states]).toEqual(['up', ['up']])
    await time.advance(10_000)
    expect([health.state, states]).toEqual(['down', ['up', 'down']])
  })

  it('does not wait for a transaction that lasts longer than its answer is worth', async () => {
    const { time, health } = watched([200, 'never', 'never', 'never', 'never'])
    await time.advance(10_000 + 2 * 10_000 + 8_000)
    expect(health.state).toBe('down')
  })

  it('is unknown until then, and is not asked for any more after a stop', async () => {
    const { time, health } = watched(['timeout', 'timeout', 'timeout'])
    await time.advance(10_000)
    expect(health.state).toBe('unknown')
    health.stop()
    expect(time.pending).toBe(0)
  })
})
