import { createSocket, type RemoteInfo } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { buildResponse } from '../../sip/message/build.ts'
import { formatMessage } from '../../sip/message/format.ts'
import { header } from '../../sip/message/headers.ts'
import { parseMessage } from '../../sip/message/parser.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { MAIN } from '../harness/daemon.ts'
import { PeerProcess } from '../harness/peer-process.ts'
import { ask } from '../harness/sip/scripted-peer.ts'
import { waitFor } from '../harness/wait-for.ts'

afterEach(closeAll)

/** A trunk that registers us, and says nothing when we take that back. */
async function openTrunk() {
  const socket = createSocket('udp4')
  const back: string[] = []
  let daemon: RemoteInfo | undefined
  socket.on('message', (bytes, from) => {
    const message = parseMessage(bytes)
    if (message.kind !== 'request' || message.method !== 'REGISTER') return
    daemon = from
    if (header(message, 'Expires') === '0') {
      back.push(message.callId)
      return
    }
    const headers = [{ name: 'Contact', value: `${header(message, 'Contact')};expires=600` }]
    socket.send(
      formatMessage(buildResponse(message, 200, { headers, toTag: 'trunk' })),
      from.port,
      from.address,
    )
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  closing({ close: async () => void socket.close() })
  return {
    port: socket.address().port,
    /** How often we took the registration back. */
    takenBack: () => back.length,
    /** Calls a number that nobody has, which makes a call record. */
    call: (callId: string) => {
      const uri = `sip:9@127.0.0.1:${daemon?.port}`
      const via = `SIP/2.0/UDP 127.0.0.1:${socket.address().port};branch=z9hG4bK${callId};rport`
      socket.send(ask('INVITE', { uri, callId, via }), daemon?.port ?? 0, '127.0.0.1')
    },
  }
}

async function start() {
  const trunk = await openTrunk()
  const folder = await mkdtemp(join(tmpdir(), 'webtrunk-signals-'))
  closing({ close: () => rm(folder, { recursive: true }) })
  const config = {
    domain: 'webtrunk.test',
    web: { http: { host: '127.0.0.1', port: 0 } },
    udp: { host: '127.0.0.1', port: 0 },
    media: { addresses: ['127.0.0.1'], webrtcPort: 0 },
    trunks: [
      {
        name: 'pbx',
        host: '127.0.0.1',
        port: trunk.port,
        account: { user: 'us', password: 'secret', register: true },
      },
    ],
    cdr: { file: 'calls.jsonl' },
    log: { format: 'json' },
  }
  await writeFile(join(folder, 'webtrunk.yaml'), JSON.stringify(config))
  const daemon = new PeerProcess(process.execPath, [MAIN, '--config', join(folder, 'webtrunk.yaml')])
  closing({ close: async () => void (await daemon.stop('SIGKILL')) })
  await daemon.waitForOutput('the registration', (output) => output.includes('trunk registered'))
  return { trunk, folder, daemon }
}

const callIdsIn = async (file: string): Promise<readonly string[]> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as { callId: string }).callId)
}

// As logrotate does it: mv, then kill -HUP.
test('SIGHUP: call records go on in a new file when theirs was moved away', async () => {
  const { trunk, folder, daemon } = await start()
  const [file, moved] = [join(folder, 'calls.jsonl'), join(folder, 'calls.jsonl.1')]
  trunk.call('before')
  await waitFor('a record', async () => (await callIdsIn(file)).length > 0)
  await rename(file, moved)
  process.kill(daemon.pid ?? 0, 'SIGHUP')
  await waitFor('a new file', () => existsSync(file))
  trunk.call('after')
  await waitFor('a record', async () => (await callIdsIn(file)).length > 0)
  expect([await callIdsIn(moved), await callIdsIn(file)]).toEqual([['before'], ['after']])
})

test('SIGTERM twice at once is one wish to stop politely, a third one later ends the process with 1', async () => {
  const { trunk, daemon } = await start()
  for (let twice = 0; twice < 2; twice += 1) process.kill(daemon.pid ?? 0, 'SIGTERM')
  await waitFor('the end of the registration', () => trunk.takenBack() > 0)
  await delay(1_200)
  // It waits for an answer, which does not come.
  expect(daemon.exitCode).toBeUndefined()
  process.kill(daemon.pid ?? 0, 'SIGTERM')
  expect(await daemon.exited()).toBe(1)
  expect(daemon.output.match(/"message":"stopping"/g)).toHaveLength(1)
})
