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

const STEPS = 250
const KINDS = 14
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
function isPossible(action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    return false
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
  /** How often each kind of step was possible. */
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
      ['cancel', () => this.#cancel()],
      ['hold', () => this.#reoffer('sendonly')],
      ['resume', () => this.#reoffer('sendrecv')],
      ['hang up', () => this.#hangUp()],
      ['transfer', () => this.#transfer()],
      ['attended transfer', () => this.#join()],
      ['key', () => this.#key()],
      ['lose', () => this.#lose()],
      ['come back', () => this.#comeBack()],
      ['second device', () => this.#secondDevice()],
    ] as const)
    const isDone = await run()
    this.done[name] = (this.done[name] ?? 0) + (isDone ? 1 : 0)
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

  #place(): boolean {
    const user = this.#pick(USERS)
    const peer = this.#peers.get(user)
    if (peer === undefined || !peer.flow.isOpen) return false
    return this.#start(peer, user, this.#pick(TARGETS), BROWSER)
  }

  #callIn(): boolean {
    return this.#start(gateway.trunk, '0301234', this.#pick(USERS), PHONE)
  }

  #cancel(): boolean {
    const [call] = this.#placed.splice(this.#roll(this.#placed.length + 1), 1)
    call?.invite.cancel([])
    return call !== undefined && call.final === undefined
  }

  #hangUp(): boolean {
    const one = this.#one()
    one?.bye()
    return one !== undefined
  }

  #start(peer: Peer, user: string, target: string, local: LocalTransport): boolean {
    const dialog = new PeerDialog(local)
    const call = place(peer, user, target, {
      body: offerOf(local),
      handler: {
        ...dialog.handler,
        onEnd: (...how) => dialog.handler.onEnd(...how),
      },
    })
    this.#placed.push(call)
    Object.defineProperty(dialog, 'dialog', { get: () => call.dialog, set: () => {} })
    this.#live.push({ dialog, local })
    return true
  }

  #answer(): boolean {
    const peer = this.#pick(this.#all())
    const invite = peer.invites.shift()
    if (invite === undefined) return false
    const local = peer === gateway.trunk ? PHONE : BROWSER
    const dialog = new PeerDialog(local)
    if (this.#roll(2) === 0) invite.progress(180)
    dialog.glares = this.#roll(8) === 0 ? 1 : 0
    const isAnswered = isPossible(() => {
      dialog.dialog = invite.accept({ body: answerTo(invite, local) }, dialog.handler)
    })
    if (isAnswered) this.#live.push({ dialog, local })
    return isAnswered
  }

  #reject(): boolean {
    const invite = this.#pick(this.#all()).invites.shift()
    invite?.reject(this.#pick([486, 603, 404, 503, 302]))
    return invite !== undefined
  }

  #reoffer(direction: 'sendonly' | 'sendrecv'): boolean {
    const talking = this.#live.filter(
      ({ dialog }) => dialog.ended === undefined && dialog.dialog !== undefined,
    )
    if (talking.length === 0) return false
    const { dialog, local } = this.#pick(talking)
    const { dialog: own } = dialog
    if (own?.state !== 'confirmed') return false
    this.#count += 1
    return isPossible(() => own.reinvite({ body: reofferOf(local, direction, this.#count) }, () => {}))
  }

  #ask(method: string, headers: { name: string; value: string }[], body?: string): boolean {
    const one = this.#one()
    if (one === undefined || one.state === 'ended') return false
    const more =
      body === undefined ? {} : { body: { contentType: 'application/dtmf-relay', bytes: Buffer.from(body) } }
    one.request(method, { headers, ...more }, () => {})
    return true
  }

  #transfer(): boolean {
    return this.#ask('REFER', [{ name: 'Refer-To', value: `<sip:${this.#pick(TARGETS)}@example.com>` }])
  }

  #join(): boolean {
    const other = this.#one()
    if (other === undefined) return false
    const replaces = encodeURIComponent(
      `${other.callId};to-tag=${other.remoteTag};from-tag=${other.localTag}`,
    )
    return this.#ask('REFER', [{ name: 'Refer-To', value: `<sip:x@example.com?Replaces=${replaces}>` }])
  }

  #key(): boolean {
    return this.#ask('INFO', [], 'Signal=5\r\nDuration=160\r\n')
  }

  async #lose(): Promise<boolean> {
    const peer = this.#peers.get(this.#pick(USERS))
    if (!peer?.flow.isOpen) return false
    await gateway.disconnect(peer)
    return true
  }

  async #comeBack(): Promise<boolean> {
    const user = this.#pick(USERS)
    const peer = this.#peers.get(user)
    if (peer === undefined) return false
    this.#peers.set(user, await gateway.back(peer, user))
    // As the daemon does when the old WebSocket gives no sign of life.
    if (gateway.gatewayEnd(peer).isOpen) await gateway.disconnect(peer)
    return true
  }

  async #secondDevice(): Promise<boolean> {
    const user = this.#pick(USERS)
    await gateway.disconnect(await gateway.registered(user, `${user}-${this.#roll(3)}`))
    return true
  }
}

/** What comes of what the mix does: nobody there, away for good, no trunk that sends voice, given up, hung up in mid-transfer. */
const MAY_HAPPEN = [
  'call.unknown-number',
  'call.not-registered',
  'call.unreachable',
  'call.no-answer',
  'call.refused',
  'call.peer-failed',
  'call.connection-lost',
  'call.dialog-lost',
  'media.none-from-trunk',
  'cancelled',
  'open transfer-1 S1',
  'open transfer-1 S2',
  // Keys that were pressed.
  'climbed caller S6 sent',
  'climbed callee S6 sent',
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
    expect(Object.values(chaos.done), JSON.stringify(chaos.done)).not.toContain(0)
    expect(Object.keys(chaos.done)).toHaveLength(KINDS)
    expect(gateway.log.filter(({ fields }) => fields.code === 'call.internal')).toEqual([])
    expect(gateway.calls.counters()).toMatchObject({ calls: 0, emergencyCalls: 0, placed: {} })
  },
  200_000,
)
