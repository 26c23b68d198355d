import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { route } from '../../../../gateway/commands/route.ts'

const folder = mkdtempSync(join(tmpdir(), 'webtrunk-route-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'webtrunk.yaml')
writeFileSync(
  file,
  `
domain: example.com
web: { http: { port: 8080 } }
users:
  - { name: alice, password: x, numbers: ["+493012340"] }
  - { name: bob, password: x, callerId: anonymous, limits: { allow: ["+49"] } }
  - { name: carol, password: x }
trunks:
  - { name: pbx, host: 192.0.2.1 }
  - { name: carrier, host: 192.0.2.2, callerId: "+49301", limits: { deny: ["+33"] } }
  - { name: spare, host: 192.0.2.3, userNumbers: false, callerId: "+49302" }
groups:
  - { name: out, trunks: [{ trunk: spare, priority: 2 }, { trunk: carrier, priority: 1 }] }
numbers: { countryCode: "49" }
emergency: { numbers: ["112"], trunks: [out, pbx], callerId: "+493010" }
routes:
  - { from: carrier, pattern: '(\\d\\d)', replace: "+4930123$1" }
  - { prefix: "+49", trunk: out, strip: 3, add: "0" }
  - { prefix: "+", trunk: out }
  - { prefix: "2", trunk: pbx }
`,
)

async function run(...args: string[]) {
  let [out, err] = ['', '']
  const io = {
    out: (text: string) => {
      out += text
    },
    err: (text: string) => {
      err += text
    },
    environment: {},
  }
  const status = await route.run([...args, '--config', file], io)
  return { status, out, err }
}

describe('webtrunk route', () => {
  it('says which rule, which trunks, which number and caller ID, and why not the others', async () => {
    expect(await run('04012345', '--from', 'alice')).toEqual({
      status: 0,
      err: '',
      out: `04012345 from user:alice (+494012345)
  emergency numbers           04012345 is none
  users                       none has the name or the number 04012345
  routes[0] (pattern (\\d\\d))  for calls from carrier
  routes[1] (prefix "+49")    matches
goes to out
  trunk carrier  number 04012345  caller ID +493012340
  trunk spare    number 04012345  caller ID +49302
`,
    })
  })

  it.each([
    // Who asks, what is said, exit status.
    [
      ['+33123', '--from', 'carol'],
      /trunk carrier .* caller ID \+49301 +number may not be called.*\n {2}trunk spare/,
      0,
    ],
    [['+33123', '--from', 'bob'], /refused with 403 limit\.destination: .* seen user:bob to \+33123/, 1],
    [['+88216'], /refused with 403 limit\.destination: .* user:anyone/, 1],
    [['04012', '--from', 'bob'], /caller ID anonymous/, 0],
    [['tel:+49-40-12', '--from', 'alice'], /^\+494012 from user:alice/, 0],
    [
      ['112', '--from', 'bob'],
      /goes to emergency, past all limits, by out, then pbx\n.*\+493010\n.*\n {2}trunk pbx/,
      0,
    ],
    [['urn:service:sos', '--from', 'alice'], /number 112 +caller ID \+493012340/, 0],
    [['alice'], /user alice +matches\ngoes to user alice/, 0],
    [
      ['40', '--from-trunk', 'carrier'],
      /routes\[0\].* matches\n.*numbers of alice +matches\ngoes to user alice/s,
      0,
    ],
    [['40', '--from-trunk', 'pbx'], /refused with 404 call\.unknown-number/, 1],
    [['echo'], /goes to the application echo/, 0],
    [['999'], /does not fit 999.*refused with 404 call\.unknown-number/s, 1],
    [['a b%'], /refused with 404/, 1],
  ])('%o', async (args, text, status) => {
    const result = await run(...args)
    expect(result.out).toMatch(text)
    expect(result.status).toBe(status)
  })

  it('is JSON for programs', async () => {
    const { out } = await run('2000', '--json', '--from', 'alice')
    expect(JSON.parse(out)).toMatchObject({
      dialled: '2000',
      destination: { kind: 'trunk', trunk: 'pbx', number: '2000', forms: ['2000'] },
      ways: [{ trunk: 'pbx', number: '2000', callerId: '+493012340' }],
    })
  })

  it.each([
    [[], 64, /^webtrunk route NUMBER/],
    [[''], 64, /^webtrunk route NUMBER/],
    [['1', '2'], 64, /^webtrunk route NUMBER/],
    [['1', '--from', 'alice', '--from-trunk', 'pbx'], 64, /^webtrunk route NUMBER/],
    [['1', '--from', 'zoe'], 78, /no user "zoe"/],
    [['1', '--from-trunk', 'out'], 78, /no trunk "out"/],
  ])('%o is refused', async (args, status, text) => {
    const result = await run(...args)
    expect([result.status, result.out]).toEqual([status, ''])
    expect(result.err).toMatch(text)
  })
})
