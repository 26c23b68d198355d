import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Admin } from '../../../gateway/commands/admin.ts'
import { registrations, registrationsText } from '../../../gateway/commands/registrations.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

let gateway: ScriptedGateway
afterEach(() => gateway.close())

it('with user, device, flow, address, time left and client', async () => {
  gateway = await ScriptedGateway.open()
  await gateway.registered('alice', 'desk;reg-id=1')
  await gateway.registered('bob', 'pocket')
  await gateway.time.advance(10_000)
  const instance = '<urn:uuid:desk>'
  const contact = 'sip:alice@df7jal23ls0d.invalid;transport=ws'
  const about = { user: 'alice', instance, regId: 1, contact, transport: 'wss', userAgent: 'peer' }
  expect(gateway.registration.list()).toMatchObject([
    { ...about, remote: expect.stringMatching(/^198\.51\.100\.7:\d+$/), expiresInS: 290 },
    { user: 'bob', regId: null },
  ])
})

it('and one that ends by itself is a line of the log, with what is left', async () => {
  gateway = await ScriptedGateway.open()
  const desk = await gateway.registered('alice', 'desk')
  await gateway.time.advance(10_000)
  await gateway.registered('alice', 'pocket')
  await gateway.disconnect(desk)
  await gateway.time.advance(301_000)
  expect(gateway.logged('registration ended').map(({ fields }) => fields)).toEqual([
    { user: 'alice', bindings: 1, why: 'connection' },
    { user: 'alice', bindings: 0, why: 'expired' },
  ])
})

it('for people as a table, for programs as JSON; an expired or closed one is not there', async () => {
  gateway = await ScriptedGateway.open()
  const alice = await gateway.registered('alice')
  await gateway.registered('bob')
  await gateway.disconnect(alice)
  const folder = mkdtempSync(join(tmpdir(), 'webtrunk-registrations-'))
  const admin = new Admin({ error() {}, warn() {}, info() {}, debug() {}, child: () => unused() })
  try {
    admin.handle('registrations', () => gateway.registration.list())
    const socket = join(folder, 'admin.sock')
    await admin.listen(socket)
    let out = ''
    const write = (text: string): void => {
      out += text
    }
    const io = { out: write, err: () => {}, environment: {} }
    expect(await registrations.run(['--socket', socket], io)).toBe(0)
    const [head, row, ...rest] = out.trimEnd().split('\n')
    expect(head).toMatch(/^USER +DEVICE +FLOW +BY +FROM +EXPIRES +CLIENT$/)
    expect(row).toMatch(/^bob +<urn:uuid:bob> +- +wss +198\.51\.100\.7:\d+ +\d+ s +peer$/)
    expect(rest).toEqual([])
    out = ''
    expect(await registrations.run(['--socket', socket, '--json'], io)).toBe(0)
    expect(JSON.parse(out)).toMatchObject([{ user: 'bob', instance: '<urn:uuid:bob>' }])
    await gateway.time.advance(301_000)
    out = ''
    await registrations.run(['--socket', socket], io)
    expect(out).toBe('no registrations\n')
  } finally {
    await admin.close()
    rmSync(folder, { recursive: true })
  }
})

it('and nothing a client calls itself moves the cursor; a client without an instance is its Contact', async () => {
  gateway = await ScriptedGateway.open()
  await gateway.registered('alice')
  const [row] = gateway.registration.list()
  if (row === undefined) throw new Error('nobody is there')
  const evil = { ...row, instance: null, userAgent: 'a\u001b[2J' }
  const text = registrationsText([evil])
  expect(text).not.toContain('\u001b')
  expect(text).toContain('sip:alice@df7jal23ls0d.invalid')
})

function unused(): never {
  throw new Error('nothing is logged here')
}
