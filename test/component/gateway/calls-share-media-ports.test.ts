import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { LocalTransport, TransportAddress } from '../../../media/parameters.ts'
import type { IncomingInvite, IncomingReinvite } from '../../../sip/user-agent.ts'
import { UdpPeer } from '../../harness/relay-bench.ts'
import { rtp } from '../../harness/rtp-packet.ts'
import {
  type AnsweredCall,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  quiet,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

/** Not one of ours, which is 127.0.0.1. */
const PBX = '127.0.0.2'
const SHARED = { mediaPorts: 'shared' } as const

let gateway: ScriptedGateway
let alice: Peer
beforeEach(() => start())
afterEach(() => stop())

async function start(over: Partial<Config> = {}): Promise<void> {
  gateway = await ScriptedGateway.open(over, SHARED)
  alice = await gateway.registered('alice')
}

async function stop(): Promise<void> {
  await gateway.close()
}

const phoneAt = (at: TransportAddress): LocalTransport =>
  ({ ...PHONE, rtp: at, rtcpPort: at.port + 1 }) as LocalTransport

const portIn = (text: string | undefined): number => Number(/m=audio (\d+)/.exec(text ?? '')?.[1])
const portOf = (body: Buffer | undefined): number => portIn(body?.toString())
const finalPort = ({ final }: PlacedCall): number =>
  portOf(typeof final === 'object' ? final.body : undefined)

/** Rings at the peer, for a call after others. */
async function next(peer: Peer): Promise<IncomingInvite> {
  const before = peer.invites.splice(0)
  const invite = await ringing(gateway, peer)
  peer.invites.unshift(...before)
  return invite
}

interface CallOut extends AnsweredCall {
  /** In our INVITE. */
  readonly offered: number
}

/** A browser calls, and a phone of the trunk answers that has its media there. */
async function callOut(at: TransportAddress, number = '0100'): Promise<CallOut> {
  gateway.trunk.invites.length = 0
  const [caller, callee] = [new PeerDialog(BROWSER), new PeerDialog(phoneAt(at))]
  const call = place(alice, 'alice', number, { handler: caller.handler })
  const invite = await ringing(gateway, gateway.trunk)
  callee.dialog = invite.accept({ body: answerTo(invite, callee.local) }, callee.handler)
  await gateway.time.advance(100)
  caller.dialog = call.dialog
  expect(statusOf(call)).toBe(200)
  return { caller, callee, offered: portOf(invite.request.body) }
}

/** A phone of the trunk calls alice. */
async function callIn(
  at: TransportAddress,
): Promise<{ readonly call: PlacedCall; readonly caller: PeerDialog }> {
  alice.invites.length = 0
  const caller = new PeerDialog(phoneAt(at))
  const call = place(gateway.trunk, '0301234', 'alice', {
    body: offerOf(caller.local),
    handler: caller.handler,
  })
  const invite = await ringing(gateway, alice)
  invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
  await gateway.time.advance(100)
  caller.dialog = call.dialog
  return { call, caller }
}

describe('calls of a trunk with shared ports', () => {
  it('are offered the same port, and no peer hears of anything else', async () => {
    const calls = [await callOut({ address: PBX, port: 4_000 }), await callOut({ address: PBX, port: 4_002 })]
    expect(calls[0]?.offered).toBe(calls[1]?.offered)
    const { call } = await callIn({ address: PBX, port: 4_004 })
    expect(finalPort(call)).toBe(calls[0]?.offered)
    expect(calls.flatMap(({ callee }) => callee.offers)).toEqual([])
    expect(gateway.engine.tables()).toMatchObject({ rtpPorts: 0, relayTuples: 6 })
    for (const { caller } of calls) caller.dialog?.bye()
    call.dialog?.bye()
  })

  it('a call whose answer names the source of another one is told a port of its own, by a re-INVITE', async () => {
    const at = { address: PBX, port: 4_000 }
    const first = await callOut(at)
    const second = await callOut(at)
    expect(second.offered).toBe(first.offered)
    expect(second.callee.offers).toHaveLength(1)
    const [told] = second.callee.offers
    expect(portIn(told)).not.toBe(first.offered)
    expect(told).toMatch(/^o=\S+ \d+ 2 /m)
    expect(first.callee.offers).toEqual([])
    expect(second.caller.offers, 'the browser sees nothing of it').toEqual([])
    expect(gateway.engine.tables().rtpPorts).toBe(1)
    const [, report] = [...gateway.calls.history.list()].reverse()
    expect(report?.timeline.filter(({ what }) => what === 'port-moved')).toMatchObject([{ leg: 'callee' }])
    for (const { caller } of [first, second]) caller.dialog?.bye()
    await gateway.time.advance(100)
    // Nothing is left of either: the next call is on the shared port again.
    const third = await callOut(at)
    expect([third.offered, third.callee.offers]).toEqual([first.offered, []])
    third.caller.dialog?.bye()
  })

  it('is told so again when both sides have offered at once, and not again when that was refused', async () => {
    const at = { address: PBX, port: 4_000 }
    const first = await callOut(at)
    gateway.trunk.invites.length = 0
    const callee = new PeerDialog(phoneAt(at))
    callee.glares = 1
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    callee.dialog = invite.accept({ body: answerTo(invite, callee.local) }, callee.handler)
    await gateway.time.advance(5_000)
    expect(callee.offers).toHaveLength(2)
    expect(portIn(callee.offers[1])).not.toBe(first.offered)

    gateway.trunk.invites.length = 0
    const deaf = new PeerDialog(phoneAt(at))
    deaf.handler.onReinvite = (reinvite: IncomingReinvite) => {
      deaf.offers.push(reinvite.request.body.toString())
      reinvite.reject(488)
    }
    const refused = place(alice, 'alice', '0100')
    const again = await ringing(gateway, gateway.trunk)
    deaf.dialog = again.accept({ body: answerTo(again, deaf.local) }, deaf.handler)
    await gateway.time.advance(5_000)
    expect(deaf.offers).toHaveLength(1)
    expect(gateway.logged('change refused by peer')).toHaveLength(1)
    for (const one of [first.caller, call, refused]) one.dialog?.bye()
    const silent = 'media.none-from-trunk'
    gateway.expectsVerdicts(silent, silent, ['call.change-refused', silent])
  })

  it('with early media: the port is told once there is a dialog to tell it in', async () => {
    const at = { address: PBX, port: 4_000 }
    const first = await callOut(at)
    gateway.trunk.invites.length = 0
    const callee = new PeerDialog(phoneAt(at))
    const call = place(alice, 'alice', '0100')
    const invite = await ringing(gateway, gateway.trunk)
    invite.progress(183, { body: answerTo(invite, callee.local) })
    await gateway.time.advance(1_000)
    expect(gateway.engine.tables().rtpPorts).toBe(1)
    callee.dialog = invite.accept({ body: answerTo(invite, callee.local) }, callee.handler)
    await gateway.time.advance(100)
    expect(callee.offers).toHaveLength(1)
    expect(portIn(callee.offers[0])).not.toBe(first.offered)
    for (const one of [first.caller, call]) one.dialog?.bye()
  })

  it('an offer that names the source of another call, or an address of ours, is answered with a port of its own', async () => {
    const at = { address: PBX, port: 4_000 }
    const first = await callOut(at)
    const answers: number[] = []
    for (const place of [at, { address: '127.0.0.1', port: 4_006 }]) {
      const { call, caller } = await callIn(place)
      answers.push(finalPort(call))
      expect(caller.offers).toEqual([])
      call.dialog?.bye()
    }
    expect(answers).not.toContain(first.offered)
    first.caller.dialog?.bye()
  })

  it('an answer that names an address of ours: a port of its own is told', async () => {
    const { caller, callee, offered } = await callOut({ address: '127.0.0.1', port: 4_000 })
    expect(callee.offers).toHaveLength(1)
    expect(portIn(callee.offers[0])).not.toBe(offered)
    caller.dialog?.bye()
  })

  it('an INVITE without an offer: what ACK answers may collide as well', async () => {
    const at = { address: PBX, port: 4_000 }
    const first = await callOut(at)
    const dialog = new PeerDialog(phoneAt(at))
    const call = place(gateway.trunk, '0301234', 'alice', { body: 'none', handler: dialog.handler })
    call.answerInAck = dialog.local
    const invite = await next(alice)
    invite.accept({ body: answerTo(invite, BROWSER) }, quiet)
    await gateway.time.advance(200)
    expect(finalPort(call)).toBe(first.offered)
    expect(dialog.offers).toHaveLength(1)
    expect(portIn(dialog.offers[0])).not.toBe(first.offered)
    call.dialog?.bye()
    first.caller.dialog?.bye()
  })

  it('a peer that moves by re-INVITE keeps the port; to the place of another call it is answered another one', async () => {
    const [first, second] = [
      await callOut({ address: PBX, port: 4_000 }),
      await callOut({ address: PBX, port: 4_002 }),
    ]
    const answered = async (port: number, version: number): Promise<number> => {
      const offer = reofferOf(phoneAt({ address: PBX, port }), 'sendrecv', version)
      const answer = await second.callee.reoffer(gateway, offer)
      return portOf(typeof answer === 'object' ? answer.body : undefined)
    }
    expect(await answered(4_008, 2)).toBe(second.offered)
    const own = await answered(4_000, 3)
    expect(own).not.toBe(second.offered)
    expect(await answered(4_002, 4), 'and stays there').toBe(own)
    expect([...first.callee.offers, ...second.callee.offers]).toEqual([])
    for (const { caller } of [first, second]) caller.dialog?.bye()
  })

  it('our own re-INVITE is answered from the place of another call: one more tells the port', async () => {
    const [first, second] = [
      await callOut({ address: PBX, port: 4_000 }),
      await callOut({ address: PBX, port: 4_002 }),
    ]
    const moved = new PeerDialog(phoneAt({ address: PBX, port: 4_000 }))
    second.callee.handler.onReinvite = (reinvite) => moved.handler.onReinvite(reinvite)
    await second.caller.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    await gateway.time.advance(200)
    expect(moved.offers.map(portIn)).toEqual([second.offered, expect.any(Number)])
    expect(portIn(moved.offers[1])).not.toBe(second.offered)
    for (const { caller } of [first, second]) caller.dialog?.bye()
  })
})

it('the target of a transfer that answers from the place of another call is told a port of its own', async () => {
  const first = await callOut({ address: PBX, port: 4_000 })
  const second = await callOut({ address: PBX, port: 4_002 })
  gateway.trunk.invites.length = 0
  second.caller.dialog?.request(
    'REFER',
    { headers: [{ name: 'Refer-To', value: '<sip:0200@example.com>' }] },
    () => {},
  )
  const invite = await ringing(gateway, gateway.trunk)
  const target = new PeerDialog(phoneAt({ address: PBX, port: 4_000 }))
  target.dialog = invite.accept({ body: answerTo(invite, target.local) }, target.handler)
  await gateway.time.advance(200)
  expect(portOf(invite.request.body)).toBe(first.offered)
  expect(target.offers.map(portIn)).toEqual([expect.any(Number)])
  expect(portIn(target.offers[0])).not.toBe(first.offered)
  expect([...first.callee.offers, ...second.callee.offers].map(portIn)).not.toContain(
    portIn(target.offers[0]),
  )
  for (const { dialog } of [first.caller, target]) dialog?.bye()
})

it('an emergency call always has ports of its own, where its peer is learnt', async () => {
  await stop()
  await start({
    emergency: {
      numbers: ['112'],
      prefix: '',
      trunks: ['pbx'],
      callerId: undefined,
      maxCalls: 2,
      drainTimeoutS: 60,
    },
  })
  const first = await callOut({ address: PBX, port: 4_000 })
  const emergency = await callOut({ address: PBX, port: 4_002 }, '112')
  expect(emergency.offered).not.toBe(first.offered)
  expect(emergency.callee.offers).toEqual([])
  for (const { caller } of [first, emergency]) caller.dialog?.bye()
})

it.each([300, 0])(
  'a peer behind a NAT is not heard on the shared port: it is told another one, and heard there (media.rtpTimeoutS %s)',
  async (rtpTimeoutS) => {
    await stop()
    await start({ media: { ...loadConfig(undefined, {}).media, rtpTimeoutS } })
    const phone = await UdpPeer.open(PBX)
    const { caller, callee, offered } = await callOut({ address: '10.0.0.9', port: 4_000 })
    const talk = setInterval(
      () => phone.send(rtp({ payloadType: 8 }), { address: '127.0.0.1', port: told() }),
      20,
    )
    const told = (): number => (callee.offers.length > 0 ? portIn(callee.offers[0]) : offered)
    try {
      for (let turn = 0; turn < 400 && callee.offers.length === 0; turn += 1) {
        await gateway.time.advance(10)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(callee.offers).toHaveLength(1)
      expect(told()).not.toBe(offered)
      const session = gateway.sessions.at(-1)
      let received = 0
      const look = async (): Promise<void> => {
        received = (await session?.stats())?.legs.callee?.packetsReceived ?? 0
      }
      for (let turn = 0; turn < 200 && received === 0; turn += 1) {
        await look()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(received).toBeGreaterThan(0)
    } finally {
      clearInterval(talk)
    }
    caller.dialog?.bye()
    gateway.expectsVerdicts('climbed callee S6 received')
  },
)
