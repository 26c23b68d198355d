import { AssertionError } from 'node:assert'
import { afterEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import type { InviteDialog } from '../../../sip/user-agent.ts'
import {
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  type PlacedCall,
  place,
  reofferOf,
} from '../../harness/scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../../harness/scripted-gateway.ts'

const STEPS = 120
const USERS = ['alice', 'bob'] as const
const TARGETS = ['alice', 'bob', 'echo', '0100', '0200', 'nobody', '+1'] as const

let gateway: ScriptedGateway
afterEach(() => gateway.close())

/** xorshift32: the same mix for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % sides
  }
}

/** A peer is not to do what its own side of the protocol forbids: an INVITE was cancelled, a re-INVITE is under way. */
function ifPossible(action: () => void, otherwise: () => void): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    otherwise()
  }
}

interface Live {
  readonly dialog: PeerDialog
  readonly local: LocalTransport
}

class Chaos {
  readonly #roll: (sides: number) => number
  readonly #peers = new Map<string, Peer>()
  readonly #placed: PlacedCall[] = []
  readonly #live: Live[] = []
  readonly done: Record<string, number> = {}
  #count = 0

  constructor(seed: number) {
    this.#roll = dice(seed)
  }

  async begin(): Promise<void> {
    for (const user of USERS) this.#peers.set(user, await gateway.registered(user))
  }

  async step(): Promise<void> {
    const [name, run] = this.#pick([
      ['place', () => this.#place()],
      ['place', () => this.#place()],
      ['call in', () => this.#callIn()],
      ['answer', () => this.#answer()],
      ['answer', () => this.#answer()],
      ['reject', () => this.#reject()],
      ['cancel', () => this.#placed.splice(this.#roll(this.#placed.length + 1), 1)[0]?.invite.cancel([])],
      ['hold', () => this.#reoffer('sendonly')],
      ['resume', () => this.#reoffer('sendrecv')],
      ['hang up', () => this.#one()?.bye()],
      ['transfer', () => this.#transfer()],
      ['attended transfer', () => this.#join()],
      ['key', () => this.#key()],
      ['lose', () => this.#lose()],
      ['come back', () => this.#comeBack()],
      ['second device', () => this.#secondDevice()],
    ] as const)
    this.done[name] = (this.done[name] ?? 0) + 1
    await run()
    await gateway.time.advance(this.#roll(5) === 0 ? this.#roll(25_000) : this.#roll(300))
  }

  async end(): Promise<void> {
    for (const call of this.#placed) call.invite.cancel([])
    for (const { invites } of this.#all()) for (const invite of invites.splice(0)) invite.reject(480)
    await gateway.time.advance(1_000)
    for (const { dialog } of this.#live) if (dialog.ended === undefined) dialog.dialog?.bye()
    await gateway.time.advance(1_000)
    for (const peer of this.#peers.values()) if (peer.flow.isOpen) await gateway.disconnect(peer)
    await gateway.time.advance(gateway.config.calls.lostConnectionS * 1_000 + 60_000)
  }

  #all(): readonly Peer[] {
    return [...this.#peers.values(), gateway.trunk]
  }

  #pick<Choice>(choices: readonly Choice[]): Choice {
    const choice = choices[this.#roll(choices.length)]
    if (choice === undefined) throw new RangeError('nothing to choose from')
    return choice
  }

  #one(): InviteDialog | undefined {
    const talking = this.#live.filter(
      ({ dialog }) => dialog.ended === undefined && dialog.dialog !== undefined,
    )
    return talking.length === 0 ? undefined : this.#pick(talking).dialog.dialog
  }

  #place(): void {
    const user = this.#pick(USERS)
    const peer = this.#peers.get(user)
    if (peer === undefined || !peer.flow.isOpen) return
    this.#start(peer, user, this.#pick(TARGETS), BROWSER)
  }

  #callIn(): void {
    this.#start(gateway.trunk, '0301234', this.#pick(USERS), PHONE)
  }

  #start(peer: Peer, user: string, target: string, local: LocalTransport): void {
    const dialog = new PeerDialog(local)
    const call = place(peer, user, target, offerOf(local), {
      ...dialog.handler,
      onEnd: (...how) => dialog.handler.onEnd(...how),
    })
    this.#placed.push(call)
    Object.defineProperty(dialog, 'dialog', { get: () => call.dialog, set: () => {} })
    this.#live.push({ dialog, local })
  }

  #answer(): void {
    const peer = this.#pick(this.#all())
    const invite = peer.invites.shift()
    if (invite === undefined) return
    const local = peer === gateway.trunk ? PHONE : BROWSER
    const dialog = new PeerDialog(local)
    if (this.#roll(2) === 0) invite.progress(180)
    dialog.glares = this.#roll(8) === 0 ? 1 : 0
    let isCancelled = false
    ifPossible(
      () => {
        dialog.dialog = invite.accept({ body: answerTo(invite, local) }, dialog.handler)
      },
      () => {
        isCancelled = true
      },
    )
    if (isCancelled) return
    this.#live.push({ dialog, local })
  }

  #reject(): void {
    this.#pick(this.#all())
      .invites.shift()
      ?.reject(this.#pick([486, 603, 404, 503, 302]))
  }

  #reoffer(direction: 'sendonly' | 'sendrecv'): void {
    const talking = this.#live.filter(
      ({ dialog }) => dialog.ended === undefined && dialog.dialog !== undefined,
    )
    if (talking.length === 0) return
    const { dialog, local } = this.#pick(talking)
    if (dialog.dialog?.state !== 'confirmed') return
    this.#count += 1
    const { dialog: own } = dialog
    ifPossible(
      () => own.reinvite({ body: reofferOf(local, direction, this.#count) }, () => {}),
      () => {},
    )
  }

  #ask(method: string, headers: { name: string; value: string }[], body?: string): void {
    const one = this.#one()
    if (one === undefined || one.state === 'ended') return
    const more =
      body === undefined ? {} : { body: { contentType: 'application/dtmf-relay', bytes: Buffer.from(body) } }
    one.request(method, { headers, ...more }, () => {})
  }

  #transfer(): void {
    this.#ask('REFER', [{ name: 'Refer-To', value: `<sip:${this.#pick(TARGETS)}@example.com>` }])
  }

  #join(): void {
    const other = this.#one()
    if (other === undefined) return
    const replaces = encodeURIComponent(
      `${other.callId};to-tag=${other.remoteTag};from-tag=${other.localTag}`,
    )
    this.#ask('REFER', [{ name: 'Refer-To', value: `<sip:x@example.com?Replaces=${replaces}>` }])
  }

  #key(): void {
    this.#ask('INFO', [], 'Signal=5\r\nDuration=160\r\n')
  }

  async #lose(): Promise<void> {
    const peer = this.#peers.get(this.#pick(USERS))
    if (peer?.flow.isOpen) await gateway.disconnect(peer)
  }

  async #comeBack(): Promise<void> {
    const user = this.#pick(USERS)
    const peer = this.#peers.get(user)
    if (peer === undefined) return
    this.#peers.set(user, await gateway.back(peer, user))
    // As the daemon does when the old WebSocket gives no sign of life.
    if (gateway.gatewayEnd(peer).isOpen) await gateway.disconnect(peer)
  }

  async #secondDevice(): Promise<void> {
    const user = this.#pick(USERS)
    await gateway.disconnect(await gateway.registered(user, `${user}-${this.#roll(3)}`))
  }
}

/** What comes of what the mix does: nobody there, away for good, no trunk that sends voice, given up, hung up in mid-transfer. */
const MAY_HAPPEN = [
  'call.unknown-number',
  'call.not-registered',
  'call.unreachable',
  'call.no-answer',
  'call.refused',
  'call.connection-lost',
  'call.dialog-lost',
  'media.none-from-trunk',
  'cancelled',
  'open transfer-1 S1',
  'open transfer-1 S2',
] as const

it.each([1, 2, 3, 4, 5, 6].map((seed) => seed * 7_919))(
  'mix %i of calls, transfers, holds and lost connections',
  async (seed) => {
    const demo = loadConfig(undefined, {})
    gateway = await ScriptedGateway.open({
      limits: { ...demo.limits, user: { ...demo.limits.user, callsPerMinute: 0 } },
    })
    const chaos = new Chaos(seed)
    await chaos.begin()
    for (let step = 0; step < STEPS; step += 1) await chaos.step()
    await chaos.end()
    gateway.verdicts.expectNoOtherThan(MAY_HAPPEN)
    const left = await gateway.leftovers()
    expect(gateway.logged('internal error')).toEqual([])
    expect(gateway.log.filter(({ fields }) => fields.code === 'call.internal')).toEqual([])
    expect(left).toEqual({})
    expect(gateway.calls.counters()).toMatchObject({ calls: 0, emergencyCalls: 0, placed: {} })
  },
  200_000,
)
