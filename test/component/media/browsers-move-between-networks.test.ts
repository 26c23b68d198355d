import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { addWebrtc, connect, MediaLog, openBrowser, openEngine, PCMU } from '../../harness/media-bench.ts'
import type { ScriptedBrowser } from '../../harness/scripted-browser.ts'
import { repeatUntil, until } from '../../harness/until.ts'

/** Sends until one more packet of its echo has come. */
async function expectEcho(browser: ScriptedBrowser): Promise<void> {
  const before = browser.received.length
  await repeatUntil(
    () => browser.sendRtp(0, Buffer.alloc(160)),
    () => browser.received.length > before,
  )
}

test('row 19: a browser on a new network, without a restart: media follows, the stream and the keys stay', async () => {
  const log = new MediaLog()
  const session = await openEngine({ consentTimeoutMs: 3_000 }).openSession('call', log)
  const browser = await openBrowser()
  const local = await connect(session, browser, log)
  await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
  await expectEcho(browser)
  const [old] = [browser.address]

  const mobile = await browser.join('127.0.0.2')
  browser.deafen(0)
  browser.use(mobile)
  await browser.check(local)
  await expectEcho(browser)
  expect(browser.address).not.toBe(old)
  expect((await session.stats()).legs.caller?.remote).toBe(browser.address)
  // Checks from there are its consent now: longer than one may last.
  for (let count = 0; count < 14; count++) {
    await browser.check(local)
    await expectEcho(browser)
    await delay(250)
  }
  const numbers = browser.received.map(({ sequence }) => sequence)
  const [first = 0] = numbers
  const last = numbers.at(-1) ?? 0
  // What was on its way to the old network is lost, and nothing is told twice.
  expect(new Set(numbers).size).toBe(numbers.length)
  expect((last - first) & 0xffff).toBeLessThan(numbers.length + 10)
  expect(new Set(browser.received.map(({ ssrc }) => ssrc))).toEqual(new Set([local.ssrc]))
  expect(log.rungs('caller').filter((rung) => rung === 'keys-ready')).toHaveLength(1)
  expect(log.failures).toEqual([])

  // Gone from there too.
  await until(() => log.failures.length === 1)
  expect(log.failures[0]?.failure.code).toBe('ice.consent-lost')
})

test('row 19: two nominated paths, one of which loses our replies: handshake and media take the live one', async () => {
  const log = new MediaLog()
  const session = await openEngine().openSession('call', log)
  const browser = await openBrowser()
  const local = await addWebrtc(session)
  await session.setRoute('caller', { kind: 'echo', map: [PCMU] })
  await session.setRemote('caller', browser.remote)
  const dead = await browser.join('127.0.0.2')
  browser.deafen(dead)
  const nominateDead = (): void => {
    browser.use(dead)
    browser.nominate(local)
    browser.use(0)
  }

  nominateDead()
  await browser.check(local)
  // The newest nomination is of the dead path: who goes by it alone sends into the void.
  nominateDead()
  browser.startDtls()
  await browser.connected()
  await until(() => log.rungs('caller').includes('keys-ready'))
  nominateDead()
  await expectEcho(browser)
  for (let count = 0; count < 5; count++) {
    nominateDead()
    await delay(20)
    await expectEcho(browser)
  }
  expect((await session.stats()).legs.caller?.remote).toBe(browser.address)
  expect(log.failures).toEqual([])
})
