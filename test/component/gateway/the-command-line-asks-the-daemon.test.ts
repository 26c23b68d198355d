import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import * as http from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { USUAL_ADMIN_SOCKET } from '../../../config/load.ts'
import type { Log } from '../../../config/logging.ts'
import { ADMIN_LIMITS, Admin, AdminRefusal, PlainText } from '../../../gateway/commands/admin.ts'
import { askDaemon, NoAnswerFromDaemon } from '../../../gateway/commands/admin-client.ts'
import { calls } from '../../../gateway/commands/calls.ts'
import { codes } from '../../../gateway/commands/codes.ts'
import { socketOf } from '../../../gateway/commands/command.ts'
import { CODES } from '../../../gateway/diagnosis.ts'
import { nextServed } from '../../harness/next-served.ts'

/** More than the kernel takes off our hands. */
const LARGE = 'x'.repeat(16 * 2 ** 20)

let folder = ''
let path = ''
let logged: string[] = []
let admin: Admin
const log: Log = {
  error: (message) => void logged.push(message),
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => log,
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'webtrunk-admin-'))
  path = join(folder, 'admin.sock')
  logged = []
  admin = new Admin(log)
})
afterEach(async () => {
  await admin.close()
  rmSync(folder, { recursive: true, force: true })
})

async function refusalOf(asked: Promise<unknown>): Promise<NoAnswerFromDaemon> {
  const error: unknown = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof NoAnswerFromDaemon) return error
  throw new Error(`no refusal: ${String(error)}`)
}

function terminal(environment: Readonly<Record<string, string>> = {}) {
  const written = { out: '', err: '' }
  return {
    written,
    io: {
      out: (text: string) => {
        written.out += text
      },
      err: (text: string) => {
        written.err += text
      },
      environment,
    },
  }
}

describe('the admin socket', () => {
  it('is for the user of the daemon only', async () => {
    await admin.listen(path)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('answers a question with JSON, and its query with it', async () => {
    admin.handle('sum', (query) => ({ sum: Number(query.get('a')) + Number(query.get('b')) }))
    await admin.listen(path)
    expect(await askDaemon(path, 'sum', { a: '2', b: '40' })).toEqual({ sum: 42 })
  })

  it('answers with text where that is the answer, and waits for a promise', async () => {
    admin.handle('text', async () => new PlainText('text/plain', 'a b\n'))
    await admin.listen(path)
    expect(await askDaemon(path, 'text')).toBe('a b\n')
  })

  it('says what it does not know, and what the asker got wrong', async () => {
    admin.handle('call', () => {
      throw new AdminRefusal('no such call')
    })
    await admin.listen(path)
    expect(await refusalOf(askDaemon(path, 'nothing'))).toMatchObject({
      exitStatus: 1,
      message: 'this daemon knows no "nothing"',
    })
    expect(await refusalOf(askDaemon(path, 'call'))).toMatchObject({ exitStatus: 1, message: 'no such call' })
    expect(logged).toEqual([])
  })

  it('logs a mistake of our own and tells the asker nothing of it', async () => {
    admin.handle('broken', () => {
      throw new Error('a secret')
    })
    await admin.listen(path)
    expect((await refusalOf(askDaemon(path, 'broken'))).message).toBe('internal error; the log says more')
    expect(logged).toEqual(['internal error'])
  })

  it('takes no other method than GET, and no header past the limit', async () => {
    await admin.listen(path)
    const statusOf = (options: http.RequestOptions) =>
      new Promise<number | undefined>((resolve, reject) => {
        http
          .request({ socketPath: path, path: '/calls', agent: false, ...options }, (response) => {
            response.resume()
            resolve(response.statusCode)
          })
          .once('error', reject)
          .end()
      })
    expect(await statusOf({ method: 'POST' })).toBe(405)
    expect(await statusOf({ headers: { 'X-Long': 'x'.repeat(ADMIN_LIMITS.headerBytes) } })).toBe(431)
  })

  it('takes no more connections than its limit', async () => {
    await admin.listen(path)
    const sockets = Array.from({ length: ADMIN_LIMITS.connections }, () => connect(path))
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
    expect(await refusalOf(askDaemon(path, 'calls'))).toMatchObject({ exitStatus: 69 })
    for (const socket of sockets) socket.destroy()
  })

  it('cuts who does not read the answer', async () => {
    const impatient = new Admin(log, 200)
    impatient.handle('large', () => new PlainText('text/plain', LARGE))
    await impatient.listen(path)
    const served = nextServed()
    const socket = connect(path)
    socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(await served, 'close')
    socket.destroy()
    await impatient.close()
  })

  it('is refused twice under one name', () => {
    admin.handle('calls', () => [])
    expect(() => admin.handle('calls', () => [])).toThrow('two answers to calls')
  })

  it('replaces what a crash has left, and no other file', async () => {
    const other = new Admin(log)
    await admin.listen(path)
    await expect(other.listen(path)).rejects.toThrow('EADDRINUSE')
    await admin.close()
    writeFileSync(path, 'a file')
    await expect(other.listen(path)).rejects.toThrow('EADDRINUSE')
  })
})

describe('a command that asks', () => {
  it('says so, with a status, when no daemon answers', async () => {
    expect(await refusalOf(askDaemon(path, 'calls'))).toMatchObject({
      exitStatus: 69,
      message: `no daemon answers at ${path}: there is no such socket. Is it running, and with this admin.socket?`,
    })
    // As after admin.socket: auto without the service's folder.
    const nowhere = join(folder, 'none', 'admin.sock')
    expect(await refusalOf(askDaemon(nowhere, 'calls'))).toMatchObject({
      exitStatus: 69,
      message: `no daemon answers at ${nowhere}: there is no such folder, and it makes none. Name another admin.socket in its configuration, and give --config FILE.`,
    })
    await admin.listen(path)
    await admin.close()
    chmodSync(folder, 0o700)
    expect((await refusalOf(calls.run(['--socket', path], terminal().io))).exitStatus).toBe(69)
  })

  it('lists calls as text and as JSON', async () => {
    const call = {
      callId: 'a\u001b[2Jb',
      caller: 'user:alice',
      callee: 'app:echo',
      state: 'connected',
      startedAt: '2026-01-02T03:04:05.678Z',
      durationS: 12,
      outcome: 'ok',
    }
    const failed = {
      ...call,
      callId: 'c',
      state: 'ended',
      outcome: 'failed',
      stage: 'S3',
      code: 'ice.no-check-seen',
    }
    let found = [call, failed]
    admin.handle('calls', () => found)
    await admin.listen(path)
    const { io, written } = terminal({ WEBTRUNK_ADMIN_SOCKET: path })
    expect(await calls.run([], io)).toBe(0)
    expect(written.out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['AT (UTC)', 'FOR', 'CALL', 'VERDICT', 'CALLER', 'CALLEE', 'CALL-ID'],
      ['03:04:05', '12 s', 'connected', 'user:alice', 'app:echo', 'a?[2Jb'],
      ['03:04:05', '12 s', 'failed', 'S3 ice.no-check-seen', 'user:alice', 'app:echo', 'c'],
      [''],
    ])
    const json = terminal()
    await calls.run(['--json', '--socket', path], json.io)
    expect(JSON.parse(json.written.out)).toEqual([call, failed])
    found = []
    const none = terminal()
    await calls.run(['--socket', path], none.io)
    expect(none.written.out).toBe('no calls\n')
  })

  it('finds the socket by option, environment, configuration file, and else at its usual place', () => {
    const file = join(folder, 'webtrunk.yaml')
    const config = {
      domain: 'example.com',
      web: { http: { port: 0 } },
      udp: { host: '127.0.0.1' },
      media: { addresses: ['127.0.0.1'] },
      admin: { socket: 'own.sock' },
    }
    writeFileSync(file, JSON.stringify(config))
    const named = { WEBTRUNK_ADMIN_SOCKET: '/e' }
    expect(socketOf({ socket: '/o', config: file }, terminal(named).io)).toBe('/o')
    expect(socketOf({ config: file }, terminal(named).io)).toBe('/e')
    expect(socketOf({ config: file }, terminal().io)).toBe(join(folder, 'own.sock'))
    expect(socketOf({}, terminal({ WEBTRUNK_CONFIG: file }).io)).toBe(join(folder, 'own.sock'))
    expect(socketOf({}, terminal().io)).toBe(USUAL_ADMIN_SOCKET)
    // No files of that name: what the daemon takes them for.
    for (const word of ['auto', 'off']) {
      expect(socketOf({ config: file }, terminal({ WEBTRUNK_ADMIN_SOCKET: word }).io)).toBe(
        USUAL_ADMIN_SOCKET,
      )
    }
  })
})

describe('webtrunk codes', () => {
  it('prints every code, also as JSON', async () => {
    const text = terminal()
    expect(await codes.run([], text.io)).toBe(0)
    for (const code of Object.keys(CODES)) expect(text.written.out).toContain(code)
    const json = terminal()
    await codes.run(['--json'], json.io)
    const rows = JSON.parse(json.written.out) as readonly { readonly code: string; readonly stage: string }[]
    expect(rows.map(({ code }) => code)).toEqual(Object.keys(CODES))
  })
})
