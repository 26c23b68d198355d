import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Baresip } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'

afterEach(closeAll)

test('against echo and against a trunk phone that echoes; and says what is wrong when there is no audio', async () => {
  const phone = closing(await Baresip.start({ media: 'sdes', toneHz: 'echo', user: '9100' }))
  const daemon = closing(await Daemon.start({ trunks: [{ port: phone.sipPort, media: 'sdes' }] }))

  const echo = await daemon.command('selftest', '--config', daemon.configFile)
  expect(echo.output).toContain('two-way audio: ok')
  expect(echo.output).toMatch(/S4 DTLS +DTLS connected, SRTP keys ready +ok \d/)
  expect(echo.output).toMatch(/S6 media from peer +ok \d/)
  expect(echo.status).toBe(0)

  const trunk = await daemon.command(
    'selftest',
    '--config',
    daemon.configFile,
    '--trunk',
    'pbx',
    '--number',
    '9100',
    '--json',
  )
  const result = JSON.parse(trunk.output) as {
    isOk: boolean
    report: { outcome: string; legs: { rungs: { state: string }[] }[] }
  }
  expect(result).toMatchObject({ isOk: true, report: { outcome: 'ok', findings: [] } })
  expect(
    result.report.legs
      .flatMap(({ rungs }) => rungs.map(({ state }) => state))
      .filter((state) => state !== 'climbed'),
  ).toEqual([])
  expect(trunk.status).toBe(0)

  // Nobody is asked there, so nobody says by which trunk the call went.
  const unseen = await daemon.command(
    'selftest',
    '--config',
    daemon.configFile,
    '--url',
    daemon.webSocketUrl,
    '--domain',
    'localhost',
    '--insecure',
    '--socket',
    '/nowhere/admin.sock',
    '--trunk',
    'pbx',
    '--number',
    '9100',
  )
  expect(unseen.output).toContain('by which trunk the call went out only the daemon knows')
  expect(unseen.status).toBe(1)

  const refused = await daemon.command('selftest', '--config', daemon.configFile, '--number', 'nobody')
  expect(refused.output).toContain('FAILED: INVITE was answered 404 Not Found (call.unknown-number)')
  expect(refused.output).toContain('S1 signalling: call.unknown-number')
  expect(refused.status).toBe(1)
  daemon.expectsVerdicts('call.unknown-number')

  const guess = join(dirname(daemon.configFile), 'guess')
  writeFileSync(guess, 'wrong\n')
  const barred = await daemon.command(
    'selftest',
    '--config',
    daemon.configFile,
    '--user',
    'alice',
    '--password-file',
    guess,
  )
  expect(barred.output).toMatch(/registered +FAILED: sip\.bad-credentials\n/)
  expect(barred.output).toMatch(/ {3}seen {6}403 Forbidden\n {3}cause {5}a wrong password/)
  expect(barred.status).toBe(1)

  // `tone` sends audio, and not ours back.
  const tone = await daemon.command(
    'selftest',
    '--config',
    daemon.configFile,
    '--number',
    'tone',
    '--timeout',
    '4',
  )
  expect(tone.output).toContain('FAILED: 1050 Hz, our own tone, did not come back')
  expect(tone.status).toBe(1)

  const calls = await daemon.command('calls')
  expect(calls.output).toMatch(/ok +user:alice +app:echo/)
  expect((await daemon.command('metrics')).output).toContain(
    'webtrunk_calls_total{outcome="ok",stage="none",code="none"}',
  )
})
