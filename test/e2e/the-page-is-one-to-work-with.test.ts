import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CODES } from '../../gateway/diagnosis.ts'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { Baresip } from '../harness/baresip.ts'
import type { SoftphonePage } from '../harness/browser-page.ts'
import { Capture, kindOfDatagram } from '../harness/capture.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, type User } from '../harness/daemon.ts'
import { decodeG711 } from '../harness/g711.ts'
import { parseRtp } from '../harness/rtp-packet.ts'
import { Sipp } from '../harness/sipp.ts'
import { waitFor } from '../harness/wait-for.ts'

const ALICE_HZ = 620
const BOB_HZ = 920
const TRUNK_HZ = 1_250

let browsers: Readonly<Record<User, Chromium>>
beforeAll(async () => {
  const [alice, bob] = await Promise.all([Chromium.start(ALICE_HZ), Chromium.start(BOB_HZ)])
  browsers = { alice, bob }
})
afterEach(closeAll)
afterAll(() => Promise.all([browsers.alice.close(), browsers.bob.close()]))

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core calls serious or critical on the page as it stands. */
const seriousProblems = async (phone: SoftphonePage): Promise<unknown> =>
  phone.evaluate(`(async () => {
    ${AXE}
    const { violations } = await window.axe.run()
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' '))
  })()`)

/** Whether a second of this tone has gone by without encryption, which is to the trunk. */
const isInTheClear = async (capture: Capture, frequencyHz: number): Promise<boolean> => {
  const packets = (await capture.soFar()).filter(({ payload }) => kindOfDatagram(payload) === 'rtp')
  const flows = new Set(packets.map(({ destinationPort }) => destinationPort))
  return [...flows].some((port) => {
    const sent = packets.filter(({ destinationPort }) => destinationPort === port)
    const bytes = Buffer.concat(sent.map(({ payload }) => parseRtp(payload).payload))
    return toneMs(decodeG711('PCMU', bytes), { sampleRateHz: 8000, frequencyHz }) >= 1_000
  })
}

const rungs = async (phone: SoftphonePage): Promise<Readonly<Record<string, string>>> =>
  (await phone.evaluate(`Object.fromEntries([...document.querySelectorAll('#ladder li')].map((item) => [
    item.querySelector('.rung-name').textContent, item.dataset.state]))`)) as Record<string, string>

const ALL_REACHED = {
  Signalling: 'reached',
  'Session description': 'reached',
  'Path (ICE)': 'reached',
  'Handshake (DTLS)': 'reached',
  'Encryption (SRTP)': 'reached',
  Audio: 'reached',
}

const openPage = async (daemon: Daemon, user: User): Promise<SoftphonePage> => {
  const phone = closing(await browsers[user].newSoftphone())
  await phone.signIn(daemon.pageFor(user))
  return phone
}

/** All that it shows as the peer, in turn. */
const NOTE_PEERS = `(() => {
  const peer = document.querySelector('#peer')
  window.peersOfTest = new Set()
  new MutationObserver(() => window.peersOfTest.add(peer.textContent)).observe(peer, { childList: true })
})()`

describe('the page', () => {
  test('shows a call climb the ladder, is accessible in each state, and names the rung that failed', async () => {
    const daemon = closing(await Daemon.start())
    const phone = await openPage(daemon, 'alice')
    expect(await seriousProblems(phone)).toEqual([])
    await phone.dial('tone')
    await phone.waitForCall('active')
    await phone.waitForSound()
    await expect.poll(() => rungs(phone), { timeout: 10_000 }).toEqual(ALL_REACHED)
    await phone.click('#keys')
    expect(await seriousProblems(phone)).toEqual([])
    await phone.click('#pass-on')
    expect(await seriousProblems(phone)).toEqual([])
    await phone.hangUp()
    await phone.waitForCall('none')
    expect(await phone.text('#verdict')).toBe('')
    expect(await phone.text('#status')).toContain('Call ended after')

    const statusOfNext = await phone.evaluate(`(() => {
      document.querySelector('#number').value = 'nobody'
      document.querySelector('#dial').requestSubmit()
      return document.querySelector('#status').textContent
    })()`)
    expect(statusOfNext).toBe('Ready · alice')
    await phone.problem()
    await phone.waitForCall('none')
    expect(await rungs(phone)).toMatchObject({ Signalling: 'failed', Audio: 'waiting' })
    expect(await phone.text('#verdict')).toContain('call.unknown-number')
    daemon.expectsVerdicts('call.unknown-number')
    expect(await seriousProblems(phone)).toEqual([])
    expect(await phone.text('#microphone')).toContain('Fake')
  })

  test('shows who has answered, and to whom the PBX passes the call on', async () => {
    const trunk = closing(await Sipp.start('uas-connects-another', { toneHz: TRUNK_HZ, holdMs: 500 }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: trunk.sipPort, trusted: true }] }))
    const phone = await openPage(daemon, 'alice')
    await phone.evaluate(NOTE_PEERS)
    await phone.dial('9100')
    await phone.waitForCall('active')
    await expect.poll(() => phone.text('#peer'), { timeout: 10_000 }).toBe('Carol')
    expect(await phone.evaluate('[...window.peersOfTest]')).toEqual(['9100', 'Desk', 'Carol'])
    await phone.waitForSound()
    await phone.hangUp()
    await daemon.waitForNoCalls()
  })

  test('shows what the gateway found: a trunk that sends nothing', async () => {
    // Without the option to echo it is mute.
    const trunk = closing(await Sipp.start('uas-echo-is-held'))
    const daemon = closing(await Daemon.start({ trunks: [{ port: trunk.sipPort }] }))
    const phone = await openPage(daemon, 'alice')
    await phone.dial('9100')
    await phone.waitForCall('active')
    const found = await waitFor('a finding', async () => (await phone.text('#findings')) || undefined)
    expect(found).toContain('(far side)')
    expect(found).toContain(CODES['media.none-from-trunk'].remedy)
    expect(await seriousProblems(phone)).toEqual([])
    await phone.hangUp()
    await daemon.waitForNoCalls()

    // A call that is refused at once has nothing of the call before it.
    await phone.dial('nobody')
    await phone.problem()
    await phone.waitForCall('none')
    await expect.poll(() => phone.text('#findings')).not.toContain(CODES['media.none-from-trunk'].remedy)
    daemon.expectsVerdicts(['media.none-from-trunk', 'open caller S6 sent'], 'call.unknown-number')
  })

  test('holds and resumes, and its keys are heard by the trunk', async () => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
    const phone = await openPage(daemon, 'alice')
    await phone.dial('9100')
    await phone.waitForCall('active')
    await Promise.all([phone.waitForTone(TRUNK_HZ), pbx.waitForTone(ALICE_HZ)])
    await phone.click('#hold')
    await waitFor('on hold', async () => (await phone.text('#call-state')) === 'On hold')
    await phone.waitForSilence()
    await phone.click('#hold')
    await phone.waitForTone(TRUNK_HZ)
    await phone.waitForSound()
    await phone.click('#keys')
    await phone.click('#key-pad button:nth-of-type(5)')
    expect((await pbx.waitForEvent('CALL_DTMF_START')).param).toBe('5')
    expect(await phone.text('#pressed')).toBe('5')
    await phone.hangUp()
    await daemon.waitForNoCalls()
  })

  test('asks first and then connects: the two others hear each other', async () => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
    const [alice, bob] = await Promise.all([openPage(daemon, 'alice'), openPage(daemon, 'bob')])
    await alice.dial('9100')
    await alice.waitForTone(TRUNK_HZ)
    await alice.click('#pass-on')
    await alice.fill('#transfer-to', 'bob')
    await alice.click('#ask-first')
    await bob.waitForCall('incoming')
    expect(await alice.text('#parked')).toBe('9100 waits on hold')
    await bob.answer()
    await Promise.all([alice.waitForTone(BOB_HZ), bob.waitForTone(ALICE_HZ)])
    const capture = closing(await Capture.start('udp'))
    await alice.click('#connect')
    await alice.waitForCall('none')
    await bob.waitForTone(TRUNK_HZ)
    // baresip 1.0 records no more once it was on hold: what reaches it is read from the wire.
    await waitFor('Bob at the trunk', () => isInTheClear(capture, BOB_HZ))
    expect(await alice.text('#problem')).toBe('')
    await bob.hangUp()
    await pbx.waitForEvent('CALL_CLOSED')
    await daemon.waitForNoCalls()
  })

  test('brings the held call back when the one who was asked is busy', async () => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
    const alice = await openPage(daemon, 'alice')
    await alice.dial('9100')
    await alice.waitForTone(TRUNK_HZ)
    await alice.click('#pass-on')
    await alice.fill('#transfer-to', 'bob')
    await alice.click('#ask-first')
    expect(await alice.problem()).toContain('Not available')
    await alice.waitForCall('active')
    await alice.waitForTone(TRUNK_HZ)
    await alice.hangUp()
    await daemon.waitForNoCalls()
    daemon.expectsVerdicts('call.not-registered')
  })

  test('transfers at once: the trunk and the other user hear each other', async () => {
    const pbx = closing(await Baresip.start({ media: 'rtp', toneHz: TRUNK_HZ, user: '9100' }))
    const daemon = closing(await Daemon.start({ trunks: [{ port: pbx.sipPort }] }))
    const [alice, bob] = await Promise.all([openPage(daemon, 'alice'), openPage(daemon, 'bob')])
    await alice.dial('9100')
    await alice.waitForTone(TRUNK_HZ)
    await alice.click('#pass-on')
    await alice.fill('#transfer-to', 'bob')
    await alice.click('#transfer-now')
    await bob.waitForCall('incoming')
    await bob.answer()
    await alice.waitForCall('none')
    await Promise.all([bob.waitForTone(TRUNK_HZ), pbx.waitForTone(BOB_HZ)])
    await bob.hangUp()
    await daemon.waitForNoCalls()
  })
})
