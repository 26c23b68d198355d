import { afterEach, describe, expect, it } from 'vitest'
import type { TrunkConfig } from '../../../config/config.ts'
import { CHANGE_BURST } from '../../../gateway/calls/introductions.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../../sip/message/message.ts'
import type { InviteDialog } from '../../../sip/user-agent.ts'
import {
  type AnsweredCall,
  answered,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  reofferOf,
  ringing,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'
import {
  aliceParty,
  refer,
  replacesOf,
  trunkCallsAlice,
  trunkParty,
} from '../../harness/scripted-transfers.ts'

let gateway: ScriptedGateway
let alice: Peer
afterEach(() => gateway.close())

const named = (name: string, value: string): Header => ({ name, value })
const asserted = (value: string): Header => named('P-Asserted-Identity', value)
const CAROL = asserted('"Carol" <sip:+4930777@pbx.example.com>')

const numbers = { countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' }

async function open(trunk: Partial<TrunkConfig> = { trusted: true }): Promise<void> {
  gateway = await ScriptedGateway.open({ numbers }, trunk)
  alice = await gateway.registered('alice')
}

/** What a browser has been told in UPDATE and re-INVITE, by name: method, identity, whether there was a description. */
interface Told {
  readonly method: string
  readonly name: string | undefined
  readonly hasBody: boolean
}
function watch(side: PeerDialog): Told[] {
  const told: Told[] = []
  const note = (request: SipRequest) => {
    told.push({
      method: request.method,
      name: header(request, 'P-Asserted-Identity'),
      hasBody: request.body.length > 0,
    })
  }
  side.handler.onRefreshed = note
  const { onReinvite } = side.handler
  side.handler.onReinvite = (reinvite) => {
    note(reinvite.request)
    onReinvite(reinvite)
  }
  return told
}

const update = async (dialog: InviteDialog | undefined, ...headers: Header[]): Promise<void> => {
  dialog?.request('UPDATE', { headers }, () => {})
  await gateway.time.advance(100)
}

const over = async ({ caller }: Pick<AnsweredCall, 'caller'>): Promise<void> => {
  caller.dialog?.bye()
  await gateway.time.advance(100)
}

describe('a PBX that connects somebody else', () => {
  it('by UPDATE tells the browser once, without a description, by our domain as at the start', async () => {
    await open()
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    await update(call.caller.dialog, CAROL)
    await update(call.caller.dialog, CAROL)
    // It says nothing: nobody else is there.
    await update(call.caller.dialog)
    expect(told).toEqual([{ method: 'UPDATE', name: '"Carol" <sip:+4930777@example.com>', hasBody: false }])
    await over(call)
  })

  it('by Remote-Party-ID, as older ones do', async () => {
    await open()
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    const remote = (privacy: string) =>
      named(
        'Remote-Party-ID',
        `"Dave" <sip:0444@pbx.example.com>;party=calling;privacy=${privacy};screen=yes`,
      )
    await update(call.caller.dialog, remote('off'))
    await update(call.caller.dialog, remote('full'))
    expect(told.map(({ name }) => name)).toEqual([
      '"Dave" <sip:0444@example.com>',
      '"Anonymous" <sip:anonymous@anonymous.invalid>',
    ])
    await over(call)
  })

  it('by a re-INVITE that changes media tells it with the description, and by one that does not without', async () => {
    await open()
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    const reinvite = async (direction: 'sendonly' | 'sendrecv', name: string, version: number) => {
      const body = reofferOf(PHONE, direction, version)
      call.caller.dialog?.reinvite({ body, headers: [asserted(name)] }, () => {})
      await gateway.time.advance(100)
    }
    await reinvite('sendonly', '<sip:0111@pbx.example.com>', 2)
    await reinvite('sendonly', '<sip:0222@pbx.example.com>', 3)
    expect(told).toEqual([
      { method: 'INVITE', name: '<sip:0111@example.com>', hasBody: true },
      { method: 'UPDATE', name: '<sip:0222@example.com>', hasBody: false },
    ])
    await over(call)
  })

  it('is told by re-INVITE to a browser that takes no UPDATE, as SIP.js', async () => {
    await open()
    const caller = new PeerDialog(PHONE)
    const callee = new PeerDialog(BROWSER)
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE), handler: caller.handler })
    const invite = await ringing(gateway, alice)
    const headers = [named('Allow', 'INVITE, ACK, CANCEL, BYE, INFO')]
    callee.dialog = invite.accept({ headers, body: answerTo(invite, BROWSER) }, callee.handler)
    await gateway.time.advance(100)
    const told = watch(callee)
    await update(call.dialog, CAROL)
    expect(told).toEqual([{ method: 'INVITE', name: '"Carol" <sip:+4930777@example.com>', hasBody: true }])
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('and wants nobody to know is shown as nobody', async () => {
    await open()
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    await update(call.caller.dialog, CAROL, named('Privacy', 'id'))
    expect(told.map(({ name }) => name)).toEqual(['"Anonymous" <sip:anonymous@anonymous.invalid>'])
    await over(call)
  })

  const HIDDEN = asserted('<sip:+4915112345678@pbx.example.com>')
  const PRIVATE = named('Privacy', 'id')

  /** A call of somebody who does not want to be shown, as the trunk alone knows. */
  const hiddenCallsAlice = async (): Promise<AnsweredCall> => {
    const caller = new PeerDialog(PHONE)
    const callee = new PeerDialog(BROWSER)
    const { handler } = caller
    const headers = [HIDDEN, PRIVATE]
    const call = place(gateway.trunk, 'anonymous', 'alice', { body: offerOf(PHONE), headers, handler })
    const invite = await ringing(gateway, alice)
    expect(invite.request.from.uri.text).toBe('sip:anonymous@anonymous.invalid')
    callee.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, callee.handler)
    await gateway.time.advance(100)
    caller.dialog = call.dialog
    return { caller, callee }
  }

  // Phones say Privacy in their INVITE, and proxies assert the number in every request behind it.
  it.each([
    ['the number that was hidden is asserted again', [HIDDEN], []],
    ['nor in another form', [asserted('<tel:015112345678>')], []],
    [
      'nor in that of older ones',
      [named('Remote-Party-ID', '<sip:+4915112345678@pbx.example.com>;party=calling')],
      [],
    ],
    ['unless Privacy says so', [HIDDEN, named('Privacy', 'none')], ['<sip:+4915112345678@example.com>']],
    [
      'or privacy of Remote-Party-ID',
      [named('Remote-Party-ID', '<sip:+4915112345678@pbx.example.com>;privacy=off')],
      ['<sip:+4915112345678@example.com>'],
    ],
    ['or somebody else is there', [CAROL], ['"Carol" <sip:+4930777@example.com>']],
  ])('tells nobody who wanted to be hidden: %s', async (_what, headers, names) => {
    await open()
    const call = await hiddenCallsAlice()
    const told = watch(call.callee)
    await update(call.caller.dialog, ...headers)
    const body = reofferOf(PHONE, 'sendonly')
    call.caller.dialog?.reinvite({ body, headers }, () => {})
    await gateway.time.advance(100)
    expect(told.filter(({ method }) => method === 'UPDATE').map(({ name }) => name)).toEqual(names)
    expect(told.flatMap(({ method, name }) => (method === 'INVITE' ? [name] : []))).toEqual([names[0]])
    await over(call)
  })

  it('tells nobody who wanted to be hidden: nor when somebody else has been there', async () => {
    await open()
    const call = await hiddenCallsAlice()
    const told = watch(call.callee)
    await update(call.caller.dialog, CAROL)
    await update(call.caller.dialog, HIDDEN)
    expect(told.at(-1)?.name).toContain('anonymous')
    await update(call.caller.dialog, HIDDEN, named('Privacy', 'none'))
    await update(call.caller.dialog, CAROL)
    await update(call.caller.dialog, HIDDEN)
    expect(told.map(({ name }) => name?.match(/Carol|anonymous|4915/)?.[0])).toEqual([
      'Carol',
      'anonymous',
      '4915',
      'Carol',
      '4915',
    ])
    await over(call)
  })

  it('is not believed where the trunk is not trusted', async () => {
    await open({ trusted: false })
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    await update(call.caller.dialog, CAROL)
    expect(told).toEqual([])
    await over(call)
  })

  it('is told a few times at once, and no more than a browser bears', async () => {
    await open()
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    for (let at = 0; at <= CHANGE_BURST; at += 1) {
      await update(call.caller.dialog, asserted(`<sip:0${at}@pbx.example.com>`))
    }
    expect(told).toHaveLength(CHANGE_BURST)
    await gateway.time.advance(5_000)
    await update(call.caller.dialog, CAROL)
    expect(told.at(-1)?.name).toContain('Carol')
    await over(call)
    gateway.expectsVerdicts('media.none-from-trunk')
  })
})

describe('From that changes inside a call (RFC 4916)', () => {
  const updateFrom = async ({ caller }: AnsweredCall, from: string): Promise<void> => {
    const { flow } = gateway.trunk
    flow.drops = (text) => {
      if (!text.startsWith('UPDATE ')) return false
      const changed = text.replace(/^From: [^;]*/m, `From: ${from}`)
      gateway.userAgent.receive(Buffer.from(changed), gateway.trunkFlow)
      return true
    }
    await update(caller.dialog)
    flow.drops = () => false
  }

  it.each([
    ['<sip:0777@pbx.example.com>', '<sip:0777@example.com>'],
    // The name of a user of ours, of a trunk that may not be believed.
    ['"Bob" <sip:bob@pbx.example.com>', '"Anonymous" <sip:anonymous@anonymous.invalid>'],
  ])('of an untrusted trunk, to %s, is shown as %s, by the rules of the start', async (sent, shown) => {
    await open({ trusted: false })
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    await updateFrom(call, sent)
    expect(told.map(({ name }) => name)).toEqual([shown])
    await over(call)
  })

  it('past the rate is told when it is said again', async () => {
    await open({ trusted: false })
    const call = await trunkCallsAlice(gateway, alice)
    const told = watch(call.callee)
    for (let at = 0; at <= CHANGE_BURST; at += 1) await updateFrom(call, `<sip:0${at}@pbx.example.com>`)
    expect(told).toHaveLength(CHANGE_BURST)
    await gateway.time.advance(5_000)
    await updateFrom(call, `<sip:0${CHANGE_BURST}@pbx.example.com>`)
    expect(told.at(-1)?.name).toBe(`<sip:0${CHANGE_BURST}@example.com>`)
    await over(call)
    gateway.expectsVerdicts('media.none-from-trunk')
  })

  it('is what a browser is told by, too, that knows of it', async () => {
    await open()
    const caller = new PeerDialog(PHONE)
    const callee = new PeerDialog(BROWSER)
    const call = place(gateway.trunk, '0301234', 'alice', { body: offerOf(PHONE), handler: caller.handler })
    const invite = await ringing(gateway, alice)
    callee.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, callee.handler)
    await gateway.time.advance(100)
    const froms: string[] = []
    callee.handler.onRefreshed = (request) => froms.push(request.from.uri.text)
    await update(call.dialog, CAROL)
    expect(froms).toEqual(['sip:0301234@example.com'])
    call.dialog?.bye()
    await gateway.time.advance(100)

    const knowing = place(alice, 'alice', '0100', {
      headers: [named('Supported', 'from-change')],
      handler: {
        ...caller.handler,
        onRefreshed: (request) => froms.push(request.from.uri.text),
        onReinvite: (reinvite) => reinvite.reject(488),
      },
    })
    const second = await ringing(gateway, gateway.trunk)
    const pbx = second.accept({ body: answerTo(second, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    await update(pbx, CAROL)
    expect(froms.slice(1)).toEqual(['sip:+4930777@example.com'])
    knowing.dialog?.bye()
    await gateway.time.advance(100)
    expect(gateway.calls.size).toBe(0)
  })
})

describe('who answers', () => {
  it('is told to the caller, while it rings and when it is answered: a pickup group', async () => {
    await open()
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180, { headers: [asserted('"Desk" <sip:0101@pbx.example.com>')] })
    await gateway.time.advance(50)
    invite.accept({ headers: [CAROL], body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    const nameIn = (response: SipResponse | undefined) => response && header(response, 'P-Asserted-Identity')
    expect(nameIn(call.progress.find(({ status }) => status === 180))).toBe('"Desk" <sip:0101@example.com>')
    expect(typeof call.final === 'object' && nameIn(call.final)).toBe('"Carol" <sip:+4930777@example.com>')
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('is hidden by its 200 too where its 180 has said so', async () => {
    await open()
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(180, { headers: [CAROL, named('Privacy', 'id')] })
    await gateway.time.advance(50)
    invite.accept({ headers: [CAROL], body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    expect(typeof call.final === 'object' && header(call.final, 'P-Asserted-Identity')).toContain('anonymous')
    call.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('is not told where it is who was called, nor what an untrusted trunk says', async () => {
    await open({ trusted: false })
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.accept({ headers: [CAROL], body: answerTo(invite, PHONE) }, new PeerDialog(PHONE).handler)
    await gateway.time.advance(100)
    expect(typeof call.final === 'object' && header(call.final, 'P-Asserted-Identity')).toBeUndefined()
    call.dialog?.bye()
    await gateway.time.advance(100)
  })
})

describe('a browser', () => {
  it('changes nothing of what a trunk believes of it', async () => {
    await open()
    const call = await answered(gateway, aliceParty(alice), trunkParty(gateway))
    const told = watch(call.callee)
    const president = [
      asserted('<sip:president@example.com>'),
      named('Remote-Party-ID', '<sip:president@example.com>'),
      named('P-Preferred-Identity', '<sip:president@example.com>'),
    ]
    await update(call.caller.dialog, ...president)
    const body = reofferOf(BROWSER, 'sendonly')
    call.caller.dialog?.reinvite({ body, headers: president }, () => {})
    await gateway.time.advance(100)
    expect(told).toEqual([{ method: 'INVITE', name: undefined, hasBody: true }])
    await over(call)
  })
})

describe('a transfer made here', () => {
  it('tells the browsers that stay whom they talk to now', async () => {
    await open()
    const bob = await gateway.registered('bob')
    const first = await trunkCallsAlice(gateway, alice)
    const second = await answered(gateway, aliceParty(alice), { peer: bob, number: 'bob', local: BROWSER })
    const told = watch(second.callee)
    await refer(gateway, first.callee, `<sip:bob@example.com?Replaces=${replacesOf(second.caller.dialog)}>`)
    await gateway.time.advance(500)
    expect(told.map(({ name }) => name)).toContain('<sip:0301234@example.com>')
    await over(first)
  })

  it('tells the browser who has picked its call up at the PBX, by INVITE with Replaces', async () => {
    await open()
    const call = await answered(gateway, aliceParty(alice), trunkParty(gateway))
    const told = watch(call.caller)
    const { callId = '', localTag = '', remoteTag = '' } = call.callee.dialog ?? {}
    const taker = place(gateway.trunk, '0188', 'alice', {
      body: offerOf(PHONE),
      headers: [named('Replaces', `${callId};to-tag=${remoteTag};from-tag=${localTag}`), CAROL],
    })
    await gateway.time.advance(500)
    expect(told.map(({ name }) => name)).toContain('"Carol" <sip:+4930777@example.com>')
    taker.dialog?.bye()
    await gateway.time.advance(100)
  })

  it('tells it so, too, while its answer to what it was told before is under way', async () => {
    await open()
    const call = await answered(gateway, aliceParty(alice), trunkParty(gateway))
    const told = watch(call.caller)
    const late: string[] = []
    alice.flow.drops = (text) => {
      const isLate = /^SIP\/2\.0 200 [\s\S]*CSeq: \d+ UPDATE/.test(text)
      if (isLate) late.push(text)
      return isLate
    }
    await update(call.callee.dialog, asserted('"Dan" <sip:0888@pbx.example.com>'))
    const { callId = '', localTag = '', remoteTag = '' } = call.callee.dialog ?? {}
    const taker = place(gateway.trunk, '0188', 'alice', {
      body: offerOf(PHONE),
      headers: [named('Replaces', `${callId};to-tag=${remoteTag};from-tag=${localTag}`), CAROL],
    })
    await gateway.time.advance(50)
    alice.flow.drops = () => false
    for (const text of late) gateway.userAgent.receive(Buffer.from(text), gateway.gatewayEnd(alice))
    await gateway.time.advance(500)
    expect(late).not.toEqual([])
    expect(told.at(-1)?.name).toBe('"Carol" <sip:+4930777@example.com>')
    taker.dialog?.bye()
    await gateway.time.advance(100)
  })
})
