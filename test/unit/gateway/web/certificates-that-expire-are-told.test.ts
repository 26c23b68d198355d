import { expect, test } from 'vitest'
import type { Log } from '../../../../config/logging.ts'
import { CertificateTimes } from '../../../../gateway/web/certificate-times.ts'
import { native } from '../../../../media/native/index.ts'
import { VirtualTime } from '../../../harness/virtual-time.ts'

const DAY_MS = 86_400_000
const FILE = '/etc/webtrunk/fullchain.pem'

const goodFor = (days: number): string =>
  native.createCertificate({ commonName: 'gateway', days, names: [] }).certificatePem

test('a certificate that nobody renews is told once a day from two weeks before its end, and by a figure', async () => {
  const time = new VirtualTime()
  const startMs = Date.now()
  const lines: unknown[] = []
  const log: Log = {
    error: (message, fields) => lines.push(['error', message, fields]),
    warn: (message, fields) => lines.push(['warn', message, fields]),
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  let pem = goodFor(16)
  const times = new CertificateTimes({
    shown: () => new Map([[FILE, pem]]),
    environment: time,
    log,
    // A minute, since the certificate is of this second.
    dateMs: () => startMs + time.nowMs() + 60_000,
  })
  expect(lines).toEqual([])
  expect(times.daysLeft()).toEqual(new Map([[FILE, 15]]))
  await time.advance(DAY_MS)
  expect(lines).toEqual([])
  await time.advance(2 * DAY_MS)
  expect(lines).toEqual([13, 12].map((days) => ['warn', 'certificate expires soon', { file: FILE, days }]))
  lines.length = 0
  await time.advance(14 * DAY_MS)
  expect(lines.at(-1)).toEqual(['error', expect.stringContaining('has expired'), { file: FILE }])
  expect(times.daysLeft().get(FILE)).toBeLessThan(0)
  lines.length = 0
  pem = goodFor(90)
  await time.advance(DAY_MS)
  expect(lines).toEqual([])
  times.close()
  await time.advance(100 * DAY_MS)
  expect(lines).toEqual([])
})
