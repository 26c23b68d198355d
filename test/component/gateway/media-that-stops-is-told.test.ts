import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { formatRtcp } from '../../../media/rtcp/rtcp.ts'
import { MediaCall, type MediaCallOptions } from '../../harness/media-call.ts'
import { reofferOf } from '../../harness/scripted-calls.ts'

const open: MediaCall[] = []
afterEach(async () => {
  // The last first: the gateway is that of the first.
  for (const call of open.splice(0).reverse()) await call.close()
})

/** A call in which both are heard. */
async function talking(options: MediaCallOptions = {}): Promise<MediaCall> {
  const call = await MediaCall.open(options)
  open.push(call)
  await call.answer()
  await call.connectBrowser()
  call.connectTrunk()
  await call.speak({ browser: 60, trunk: 60 })
  await call.look()
  return call
}

const figures = async (call: MediaCall) => (await call.gateway.sessions.at(-1)?.stats())?.legs.callee

/** A report of the trunk on no stream. */
async function reportNothing(call: MediaCall): Promise<void> {
  const before = (await figures(call))?.peerReports ?? 0
  call.trunk.sendRtcp(formatRtcp([{ kind: 'receiver-report', ssrc: call.trunk.ssrc, blocks: [] }]))
  while (((await figures(call))?.peerReports ?? 0) === before) await delay(10)
}

/** So many looks, six seconds apart, at a call in which only the browser is heard. */
async function browserAlone(
  call: MediaCall,
  looks: number,
  meanwhile = async (): Promise<unknown> => undefined,
) {
  for (let count = 0; count < looks; count += 1) {
    await call.speak({ browser: 10 })
    await meanwhile()
    await call.look()
  }
  return call.report()
}

describe('audio of the trunk that stops in mid-call', () => {
  it('is found when its reports stop too', async () => {
    const call = await talking()
    for (let count = 0; count < 2; count += 1) {
      await reportNothing(call)
      await call.look()
    }
    expect((await browserAlone(call, 4)).findings).toEqual([])
    expect(await browserAlone(call, 2)).toMatchObject({
      state: 'connected',
      outcome: 'impaired',
      verdict: {
        stage: 'S6',
        code: 'media.stopped',
        leg: 'callee',
        direction: 'received',
        seen: expect.stringMatching(/^none for 3\d s, 60 before$/),
      },
    })
    call.gateway.expectsVerdicts('media.stopped')
  })

  it('is none that is told while its reports come: it may suppress silence, or record', async () => {
    const call = await talking()
    const report = await browserAlone(call, 10, () => reportNothing(call))
    expect(report).toMatchObject({ outcome: 'ok', findings: [] })
  })

  it('is found when it does not come back after a hold, whatever its reports do', async () => {
    const call = await talking()
    const reoffer = (direction: 'sendonly' | 'sendrecv', version: number) =>
      call.caller.reoffer(call.gateway, reofferOf(call.caller.local, direction, version))
    await reoffer('sendonly', 2)
    for (let count = 0; count < 8; count += 1) await call.look()
    expect(call.report().findings).toEqual([])
    await reoffer('sendrecv', 3)
    const report = await browserAlone(call, 7, () => reportNothing(call))
    expect(report.findings).toMatchObject([{ code: 'media.stopped', leg: 'callee', direction: 'received' }])
    call.gateway.expectsVerdicts('media.stopped')
  })
})

describe('a trunk whose reports are of no stream although we send', () => {
  /** What six reports after a hundred packets each come to. */
  async function unheard(call: MediaCall) {
    for (let count = 0; count < 6; count += 1) {
      await call.speak({ browser: 100, trunk: 10 })
      await reportNothing(call)
      await call.look()
    }
    return call.report().findings
  }

  it('does not hear us, when it was one to report in an earlier call', async () => {
    const first = await talking()
    expect(await unheard(first), 'one that may never report on anything').toEqual([])
    await first.reportLoss(0)
    await first.look()
    first.caller.dialog?.bye()
    await first.gateway.time.advance(1_000)
    const second = await talking({ gateway: first.gateway })
    expect(await unheard(second)).toMatchObject([
      {
        stage: 'S6',
        code: 'media.lost-towards-peer',
        leg: 'callee',
        direction: 'sent',
        seen: expect.stringMatching(/^its last \d RTCP reports are of no stream$/),
      },
    ])
    first.gateway.expectsVerdicts('media.lost-towards-peer')
  })
})
