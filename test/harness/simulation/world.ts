import type { Config } from '../../../config/config.ts'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { RINGING_GRACE_MS } from '../../../gateway/calls/homes.ts'
import { nameAddr } from '../../../gateway/calls/identity.ts'
import type { LocalTransport } from '../../../media/parameters.ts'
import { type Header, isSipUri } from '../../../sip/message/message.ts'
import { sipUri } from '../../../sip/message/uri.ts'
import type { Body, IncomingInvite } from '../../../sip/user-agent.ts'
import { BROWSER, PHONE } from '../scripted-calls.ts'
import { type Peer, ScriptedGateway } from '../scripted-gateway.ts'
import { trunkConfig } from '../trunk-config.ts'
import { Network } from './network.ts'
import { ScriptedEngine } from './scripted-engine.ts'
import { SimLeg } from './sim-leg.ts'
import { WireWatch } from './wire-watch.ts'

const RING_S = 30
/** A group of two is tried, and each may ring; a little for what is under way. */
const RING_MS = 4 * RING_S * 1_000
export const EMERGENCY = '112'
export const DEVICES = ['alice/1', 'alice/2', 'bob/1'] as const
export type DeviceName = (typeof DEVICES)[number]
export const TRUNKS = { pbx: 5_070, second: 5_071 } as const
export type TrunkName = keyof typeof TRUNKS

export interface Device {
  readonly name: DeviceName
  readonly user: string
  peer: Peer
  network: Network
  /** Since when it has not had a connection that it has registered by. */
  lostMs: number
  /** By the connection it has. */
  isRegistered: boolean
  /** Every INVITE to it; connections come and go. */
  readonly local: LocalTransport
}

export interface Trunk {
  readonly name: TrunkName
  readonly peer: Peer
  readonly network: Network
  readonly local: LocalTransport
}

export interface CallWish {
  readonly from: string
  readonly to: string
  readonly headers?: readonly Header[]
}

export interface WorldOptions {
  /** The tables of SIP are small. */
  readonly isTight?: boolean
  /** See `VirtualTime`. */
  readonly isBreathless?: boolean
}

/** What is always full when a few calls are made; the last places are for emergencies. */
const TIGHT = { maxServerTransactions: 24, maxClientTransactions: 16, maxDialogs: 12, reserved: 4 }

let demo: Config | undefined

/** A gateway with its peers, and what they have of calls. */
export class World {
  readonly gateway: ScriptedGateway
  readonly engine: ScriptedEngine
  readonly watch: WireWatch
  readonly devices: Device[] = []
  readonly trunks: Trunk[] = []
  readonly legs: SimLeg[] = []
  /** In words, the newest last. */
  readonly told: string[] = []
  /** Call-IDs that the gateway has begun a call for, and those of emergencies. */
  readonly begun = new Set<string>()
  readonly emergencies = new Set<string>()
  isDraining = false
  /** Trunks whose network was bad at some time. */
  readonly troubled = new Set<TrunkName>()
  /** Media had no place for a call, or all calls were ended. */
  isSpoilt = false
  /** Datagrams to the first trunk were lost for so long that it may not know what has been given up. */
  isDark = false
  /** Call-IDs of what a fork has answered, whose peer is nobody. */
  readonly forked = new Set<string>()
  #count = 0

  static async open({ isTight = false, isBreathless = false }: WorldOptions = {}): Promise<World> {
    demo ??= loadConfig(undefined, {})
    let engine: ScriptedEngine | undefined
    const common = { host: '127.0.0.1', codecs: ['PCMA', 'PCMU'] }
    const config: Partial<Config> = {
      calls: { ...demo.calls, ringTimeoutS: RING_S, lostConnectionS: 60, sessionExpiresS: 90 },
      limits: { ...demo.limits, user: { ...demo.limits.user, callsPerMinute: 0, maxCalls: 50 } },
      trunks: [
        trunkConfig({ ...common, name: 'pbx', port: TRUNKS.pbx }),
        trunkConfig({ ...common, name: 'second', port: TRUNKS.second }),
      ],
      groups: [
        {
          name: 'lines',
          trunks: [
            { trunk: 'pbx', priority: 1, weight: 1 },
            { trunk: 'second', priority: 2, weight: 1 },
          ],
        },
      ],
      routes: [
        { prefix: '01', trunk: 'pbx', strip: 1, add: '' },
        { prefix: '02', trunk: 'second', strip: 1, add: '' },
        { prefix: '0', trunk: 'lines', strip: 1, add: '' },
      ],
      emergency: {
        numbers: [EMERGENCY],
        prefix: '',
        trunks: ['pbx', 'second'],
        callerId: undefined,
        maxCalls: 200,
        drainTimeoutS: 60,
      },
    }
    const gateway = await ScriptedGateway.open(
      config,
      {},
      {
        engine: (time) => {
          engine = new ScriptedEngine(time)
          return engine
        },
        ...(isTight ? { limits: TIGHT } : {}),
      },
    )
    gateway.time.isBreathless = isBreathless
    if (engine === undefined) throw new TypeError('no engine was asked for')
    const world = new World(gateway, engine)
    for (const name of DEVICES) await world.#sit(name)
    return world
  }

  private constructor(gateway: ScriptedGateway, engine: ScriptedEngine) {
    this.gateway = gateway
    this.engine = engine
    this.watch = new WireWatch(() => gateway.time.nowMs(), RING_MS)
    for (const [name, port] of Object.entries(TRUNKS)) {
      const { peer, gatewayFlow } = gateway.trunkAt(port)
      if (name === 'second') {
        gatewayFlow.transport = 'tcp'
        peer.flow.transport = 'tcp'
      }
      const network = new Network(
        name,
        { near: gatewayFlow, far: peer.flow },
        this.watch,
        (line) => this.#onWire(line),
        () => {
          // A connection is tried, and refused.
          gateway.time.schedule(gateway.time.nowMs() + 20, () =>
            gateway.signalling.ofTrunks.onClose(gatewayFlow),
          )
        },
      )
      this.trunks.push({ name: name as TrunkName, peer, network, local: PHONE })
      peer.rings = (invite) => this.#rings(name, peer, PHONE, invite)
    }
  }

  /** The messages as well. */
  isWordy = false

  #onWire(text: string): void {
    if (!this.isWordy) return
    const [head = ''] = text.split('\r\n', 1)
    const cseq = /^CSeq: (.*)\r$/m.exec(text)?.[1]
    const callId = /^Call-ID: .*(.{4})\r$/m.exec(text)?.[1]
    const direction = /^a=(sendrecv|sendonly|recvonly|inactive)\r$/m.exec(text)?.[1] ?? ''
    this.note(`    ${head} (${cseq}, ${callId}) ${direction}`)
  }

  note(text: string): void {
    this.told.push(`${this.gateway.time.nowMs() - 1_000_000}: ${text}`)
  }

  /** Somebody calls. */
  call(at: Device | Trunk, wish: CallWish, arrange: (leg: SimLeg) => Body | undefined): SimLeg {
    const { peer, local, name } = at
    const isEmergency = wish.to === EMERGENCY
    const leg = new SimLeg({
      label: this.#label(name, `to ${wish.to}`),
      peer,
      isCaller: true,
      local,
      isEmergency,
    })
    const body = arrange(leg)
    leg.isUnproven = 'isRegistered' in at && !at.isRegistered
    const address = (user: string) => nameAddr(sipUri({ user, host: 'example.com' }))
    leg.outgoing = peer.userAgent.invite(
      {
        flow: peer.flow,
        uri: sipUri({ user: wish.to, host: 'example.com' }),
        from: address(wish.from),
        to: address(wish.to),
        headers: wish.headers ?? [],
        ...(body === undefined ? {} : { body }),
        dialogHandler: leg.handler,
      },
      {
        onProgress: () => {},
        onAccept: (response, dialog) => {
          leg.final = response
          leg.dialog = dialog
          const hasOffer = body === undefined
          leg.acknowledge = () => {
            leg.acknowledge = undefined
            if (dialog.state !== 'ended')
              dialog.acknowledge(hasOffer ? leg.answer(response.body, leg.direction) : undefined)
          }
          if (leg.acknowledges === 'at once') leg.acknowledge()
        },
        onReject: (response) => {
          leg.final = response
          leg.isOver = true
        },
      },
    )
    leg.callId = leg.outgoing.callId
    if (isEmergency) this.emergencies.add(leg.callId)
    this.legs.push(leg)
    return leg
  }

  /** The WebSocket of a device is gone. */
  async lose(device: Device): Promise<void> {
    if (device.network.link.isClosed) return
    device.network.cut()
    if (device.isRegistered) device.lostMs = this.gateway.time.nowMs()
    await this.gateway.disconnect(device.peer)
  }

  /** It has another one, and is registered by it; what is left of the one before is cut after that. */
  async comeBack(device: Device, isRegistering = true): Promise<void> {
    const { gateway } = this
    const before = { peer: device.peer, network: device.network }
    const nowMs = gateway.time.nowMs()
    if (device.isRegistered && !before.network.link.isClosed) device.lostMs = nowMs
    const isForgotten = nowMs - device.lostMs > RINGING_GRACE_MS - 1_000
    // A client gives up what has not been answered, as the gateway does; so does one that cannot be known again.
    for (const leg of this.legs)
      if (leg.peer.userAgent === device.peer.userAgent) leg.hasGivenUp ||= isForgotten || leg.isUnproven
    device.peer = gateway.reconnect(before.peer)
    device.network = this.#network(device.name, device.peer)
    device.isRegistered = isRegistering
    if (isRegistering) await this.#register(device)
    if (before.network.link.isClosed) return
    before.network.cut()
    const end = gateway.gatewayEnd(before.peer)
    end.close()
    gateway.signalling.ofBrowsers.onClose(end)
    await gateway.time.advance(1)
  }

  cut(trunk: Trunk, isBackedOff: boolean): void {
    trunk.network.cut()
    this.troubled.add(trunk.name)
    trunk.network.near.isBackedOff = isBackedOff
    // Nobody has been told that it rings; it is not asked whether it does (RFC 3261 §17.1.4).
    for (const leg of this.legs)
      if (leg.peer === trunk.peer && leg.state === 'ringing' && !leg.hasRung) leg.isOver = true
    this.gateway.signalling.ofTrunks.onClose(trunk.network.near)
    trunk.peer.userAgent.flowClosed(trunk.peer.flow)
  }

  mend(trunk: Trunk): void {
    trunk.network.mend()
    trunk.network.near.isBackedOff = false
  }

  close(): Promise<void> {
    return this.gateway.close()
  }

  async #sit(name: DeviceName): Promise<void> {
    const peer = this.gateway.browser()
    const [user = ''] = name.split('/')
    const device: Device = {
      name,
      user,
      peer,
      network: this.#network(name, peer),
      lostMs: 0,
      isRegistered: true,
      local: BROWSER,
    }
    peer.rings = (invite) => this.#rings(name, peer, BROWSER, invite)
    this.devices.push(device)
    peer.account = { user, password: new Secret(this.gateway.passwordOf(user)), md5: true }
    await this.#register(device)
  }

  async #register({ peer, user, name }: Device): Promise<void> {
    const password = this.gateway.passwordOf(user)
    const status = await this.gateway.register(peer, user, password, name.replace('/', '-'))
    if (status !== 200) throw new Error(`REGISTER of ${name} was answered ${status}`)
  }

  #network(name: string, peer: Peer): Network {
    const network = new Network(
      name,
      { near: this.gateway.gatewayEnd(peer), far: peer.flow },
      this.watch,
      (line) => this.#onWire(line),
    )
    return network
  }

  #rings(name: string, peer: Peer, local: LocalTransport, invite: IncomingInvite): void {
    const { uri } = invite.request
    const isEmergency = isSipUri(uri) && uri.user === EMERGENCY
    const leg = new SimLeg({ label: this.#label(name, 'called'), peer, isCaller: false, local, isEmergency })
    leg.callId = invite.request.callId
    leg.incoming = invite
    leg.sinceMs = this.gateway.time.nowMs()
    invite.handler = {
      onCancel: () => {
        leg.isOver = true
      },
      onPrackTimeout: () => {
        leg.isOver = true
      },
    }
    this.legs.push(leg)
  }

  #label(name: string, what: string): string {
    this.#count += 1
    return `#${this.#count} ${name} ${what}`
  }
}
