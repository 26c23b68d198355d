import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { startDaemon } from '../../../gateway/daemon.ts'
import { startFailureText } from '../../../gateway/start-failure.ts'
import { MediaFailure } from '../../../media/failure.ts'
import { trunkConfig } from '../../harness/trunk-config.ts'

const SILENT: Log = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => SILENT,
}

const base = loadConfig(undefined, { WEBTRUNK_WEB_HTTP_PORT: '0', WEBTRUNK_ADMIN_SOCKET: 'off' })
const QUIET = {
  ...base,
  trunks: [trunkConfig()],
  web: { ...base.web, https: undefined },
  udp: { ...base.udp, host: ['127.0.0.1'], port: 0 },
  media: { ...base.media, addresses: ['127.0.0.1'], webrtcPort: 0 },
}

/** What is printed of a start that must fail. */
async function toldOf(config: typeof QUIET): Promise<string | undefined> {
  const daemon = startDaemon(config, SILENT, { product: 'test', pagesFolder: '/nonexistent' })
  const error = await daemon.then(
    (started) => started.stop(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  return startFailureText(error, config)
}

test('a public address of a NAT among media.addresses', async () => {
  const media = { ...QUIET.media, addresses: ['203.0.113.5'], webrtcPort: 10_000 }
  expect(await toldOf({ ...QUIET, media })).toBe(
    'media.webrtcPort: udp 203.0.113.5:10000 cannot be bound: no address of this machine; a public address behind NAT goes into media.announced',
  )
})

test('the same as udp.host', async () => {
  expect(await toldOf({ ...QUIET, udp: { ...QUIET.udp, host: ['203.0.113.5'], port: 5060 } })).toBe(
    'udp: udp 203.0.113.5:5060 cannot be bound: no address of this machine; a public address behind NAT goes into udp.announced',
  )
})

test('a browser port that another program has, of the second thread too', async () => {
  const taken = createSocket('udp4').bind(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address()
  const media = { ...QUIET.media, threads: 2, webrtcPort: port - 1 }
  expect(await toldOf({ ...QUIET, media })).toBe(`media.webrtcPort: udp 127.0.0.1:${port} is in use`)
  taken.close()
})

test('a port that needs a right we do not have', () => {
  const http = { ...base.web, https: undefined, http: { host: '0.0.0.0', port: 80, proxyProtocol: false } }
  const refused = { syscall: 'listen', code: 'EACCES', address: '0.0.0.0', port: 80 }
  expect(startFailureText(Object.assign(new Error('listen EACCES'), refused), { ...QUIET, web: http })).toBe(
    'web.http: tcp 0.0.0.0:80 cannot be bound: not allowed; ports below 1024 need CAP_NET_BIND_SERVICE, see webtrunk.service',
  )
})

test('what has a code is told with cause and remedy, what the system says as it says it, and nothing else', () => {
  expect(startFailureText(new MediaFailure('media.system-limit', { seen: 'EMFILE' }), QUIET)).toMatch(
    /^media\.system-limit: .*, seen EMFILE\n {2}cause {2}\S.*\n {2}do {5}raise LimitNOFILE/,
  )
  const folder = Object.assign(new Error('listen EACCES: /run/x.sock'), { syscall: 'listen', code: 'EACCES' })
  expect(startFailureText(folder, QUIET)).toBe('listen EACCES: /run/x.sock')
  expect(startFailureText(new TypeError('a defect'), QUIET)).toBeUndefined()
})
