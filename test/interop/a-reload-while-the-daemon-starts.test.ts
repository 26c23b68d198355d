import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { native } from '../../media/native/index.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { MAIN } from '../harness/daemon.ts'
import { PeerProcess } from '../harness/peer-process.ts'

afterEach(closeAll)

/** A name server that says nothing until it is told to, and then that there is no such name. */
async function slowNameServer() {
  const server = createSocket('udp4')
  const waiting: (() => void)[] = []
  let isAnswering = false
  server.on('message', (question, { address, port }) => {
    const answer = Buffer.from(question)
    // RFC 1035 §4.1.1: a response, with RCODE 3.
    answer.writeUInt16BE(0x8183, 2)
    const send = (): void => server.send(answer, port, address)
    if (isAnswering) send()
    else waiting.push(send)
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  closing({ close: async () => void server.close() })
  return {
    address: `127.0.0.1:${server.address().port}`,
    asked: once(server, 'message'),
    answer: () => {
      isAnswering = true
      for (const send of waiting.splice(0)) send()
    },
  }
}

// systemctl reload right after the start, as certbot does it at boot: the process was gone, and systemd took it for a stop.
test('SIGHUP while the daemon looks its trunks up is heeded when it has started', async () => {
  const names = await slowNameServer()
  const folder = await mkdtemp(join(tmpdir(), 'webtrunk-start-'))
  closing({ close: () => rm(folder, { recursive: true }) })
  const made = native.createCertificate({ commonName: 'first', days: 1, names: ['localhost'] })
  await writeFile(join(folder, 'key.pem'), made.privateKeyPem)
  await writeFile(join(folder, 'cert.pem'), made.certificatePem)
  const config = {
    domain: 'webtrunk.test',
    web: { https: { host: '127.0.0.1', port: 0, certificate: 'cert.pem', key: 'key.pem' } },
    udp: { host: '127.0.0.1', port: 0 },
    media: { addresses: ['127.0.0.1'], webrtcPort: 0 },
    dns: { servers: [names.address] },
    trunks: [{ name: 'pbx', host: 'pbx.example' }],
    log: { format: 'json' },
  }
  await writeFile(join(folder, 'webtrunk.yaml'), JSON.stringify(config))
  const daemon = new PeerProcess(process.execPath, [MAIN, '--config', join(folder, 'webtrunk.yaml')])
  closing({ close: async () => void (await daemon.stop('SIGKILL')) })
  await names.asked
  process.kill(daemon.pid ?? 0, 'SIGHUP')
  names.answer()
  const port = await daemon.waitForOutput('listening', (output) => /"https":(\d+)/.exec(output)?.[1])
  expect(Number(port)).toBeGreaterThan(0)
  await daemon.waitForOutput('the reload', (output) => output.includes('certificate loaded'))
  expect(await daemon.stop('SIGTERM')).toBe(0)
})
