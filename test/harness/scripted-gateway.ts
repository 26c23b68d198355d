import { AssertionError } from 'node:assert'
import { inspect, isDeepStrictEqual } from 'node:util'
import type { Config, TrunkConfig } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import type { Log } from '../../config/logging.ts'
import type { Calls } from '../../gateway/calls/calls.ts'
import { sipLimits } from '../../gateway/calls/capacity.ts'
import type { Homes } from '../../gateway/calls/homes.ts'
import { nameAddr } from '../../gateway/calls/identity.ts'
import { type Cdr, cdrOf } from '../../gateway/ladder/cdr.ts'
import type { LadderTickets } from '../../gateway/ladder/ladder-tickets.ts'
import type { Refusals } from '../../gateway/refusals.ts'
import type { TokenVerifier } from '../../gateway/registration/jwt.ts'
import type { Registrar } from '../../gateway/registration/registrar.ts'
import type { RegistrarMode } from '../../gateway/registration/registrar-mode.ts'
import type { Relay } from '../../gateway/relay/relay.ts'
import { joinSignalling, type Signalling } from '../../gateway/signalling.ts'
import { type TrunkResolver, TrunkTable } from '../../gateway/trunks/trunk.ts'
import type { TrunkFlows } from '../../gateway/trunks/trunk-sockets.ts'
import type { TrunkStates } from '../../gateway/trunks/trunk-states.ts'
import { STRANGER } from '../../gateway/trunks/trunk-transports.ts'
import type { TrunkWatch } from '../../gateway/trunks/trunk-watch.ts'
import type { MediaEngine, MediaObserver, MediaSession } from '../../media/engine.ts'
import { createNativeEngine, type NativeEngineOptions } from '../../media/native-engine.ts'
import { digestResponse } from '../../sip/authentication/digest-response.ts'
import type { Flow } from '../../sip/flow.ts'
import { header } from '../../sip/message/headers.ts'
import type { SipRequest, SipResponse } from '../../sip/message/message.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { NamedFlow } from '../../sip/named-flow.ts'
import {
  type ClientCredentials,
  createUserAgent,
  type IncomingInvite,
  type IncomingRequest,
  type IncomingSubscribe,
  type NoAnswer,
  type UserAgent,
  type UserAgentHandler,
  type UserAgentLimits,
} from '../../sip/user-agent.ts'
import { CallVerdicts, type ExpectedCall } from './call-verdicts.ts'
import { type MemoryFlow, memoryLink } from './memory-flow.ts'
import { resolverOf, trunkConfig } from './trunk-config.ts'
import { settle, VirtualTime } from './virtual-time.ts'

const PBX = { address: '127.0.0.1', port: 5080 }
const GATEWAY = { address: '127.0.0.1', port: 5060 }
/** Where the PBX of `registrar: upstream` finds us. */
const OWN_TOWARDS_PBX = { address: '127.0.0.1', port: 5061 }
const TRUNK = { address: '127.0.0.1', port: 5070 }
const PEER_LIMITS = {
  maxServerTransactions: 1_000,
  maxClientTransactions: 1_000,
  maxDialogs: 1_000,
  maxForks: 16,
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A user agent at the other end of a link, driven by a test. */
export interface Peer {
  readonly userAgent: UserAgent
  /** Its end of the link. */
  readonly flow: MemoryFlow
  readonly invites: IncomingInvite[]
  readonly requests: IncomingRequest[]
  readonly subscribes: IncomingSubscribe[]
  /** Answers challenges by itself, as browsers do. */
  account: ClientCredentials | undefined
  /** What it answers at once is not kept in `requests`. */
  answers: (request: IncomingRequest) => boolean
  /** Is told of each of its `invites`. */
  rings: (invite: IncomingInvite) => void
}

export interface ScriptedGatewayOptions {
  /** Of bearer tokens, whatever the configuration says of them. */
  readonly verifier?: TokenVerifier
  /** What the DNS says. */
  readonly resolver?: Partial<TrunkResolver>
  /** Of the engine, whose time is real. */
  readonly media?: Partial<NativeEngineOptions> | undefined
  /** In the place of the real one. */
  readonly engine?: (time: VirtualTime) => MediaEngine
  /** Of our tables of SIP, beside those that the configuration makes. */
  readonly limits?: Partial<UserAgentLimits>
}

/** The daemon's signalling on virtual time, with links in memory for its sockets; the media engine is the real one. */
export class ScriptedGateway {
  readonly time: VirtualTime
  readonly signalling: Signalling
  readonly trunks: TrunkTable
  readonly states: TrunkStates
  readonly trunkWatch: TrunkWatch
  readonly log: LogLine[] = []
  readonly config: Config
  readonly engine: MediaEngine
  readonly userAgent: UserAgent
  readonly calls: Calls
  readonly registration: Registrar
  readonly mode: RegistrarMode
  readonly relay: Relay
  readonly homes: Homes
  readonly refusals: Refusals
  readonly trunk: Peer
  /** The gateway's end of the link to the trunk. */
  readonly trunkFlow: MemoryFlow
  /** Media of every call so far, the newest last. */
  readonly sessions: MediaSession[] = []
  /** The PBX of `registrar: upstream`. */
  readonly pbx: Peer
  readonly pbxFlow: MemoryFlow
  /** Of all calls that have ended, and of refused attempts. */
  readonly records: Cdr[] = []
  readonly verdicts = new CallVerdicts()
  readonly tickets: LadderTickets
  /** Who is told of the media of each, by the same index. */
  readonly observers: MediaObserver[] = []
  readonly #peers: Peer[] = []
  readonly #gatewayEnds = new Map<Peer, MemoryFlow>()
  #internalErrors = 0
  readonly #trunkLinks = new Map<string, { readonly peer: Peer; readonly gatewayFlow: MemoryFlow }>()

  /** `trunk`: of the one trunk that there is unless `over` has others. */
  static async open(
    over: Partial<Config> = {},
    trunk: Partial<TrunkConfig> = {},
    options: ScriptedGatewayOptions = {},
  ): Promise<ScriptedGateway> {
    const base = loadConfig(undefined, {})
    const config: Config = {
      ...base,
      domain: 'example.com',
      trunks: [
        trunkConfig({
          host: TRUNK.address,
          port: TRUNK.port,
          codecs: ['PCMA', 'PCMU'],
          suites: ['AES_CM_128_HMAC_SHA1_80'],
          ...trunk,
        }),
      ],
      routes: [{ prefix: '0', trunk: 'pbx', strip: 1, add: '' }],
      ...over,
    }
    const time = new VirtualTime()
    const tableOf = (configs: readonly TrunkConfig[]): TrunkTable =>
      new TrunkTable(configs, {
        resolver: { ...resolverOf(), ...options.resolver },
        nowMs: () => time.nowMs(),
        supported: ['udp'],
      })
    const tables = {
      trunks: tableOf(config.trunks),
      pbx: tableOf(config.upstream === undefined ? [] : [config.upstream.trunk]),
    }
    await Promise.all([tables.trunks.refresh(), tables.pbx.refresh()])
    return new ScriptedGateway(config, tables, time, options)
  }

  private constructor(
    config: Config,
    tables: { readonly trunks: TrunkTable; readonly pbx: TrunkTable },
    time: VirtualTime,
    { verifier, media, limits, engine }: ScriptedGatewayOptions,
  ) {
    this.config = config
    this.time = time
    this.trunks = tables.trunks
    this.verdicts.isWithoutMedia = true
    const options: NativeEngineOptions = {
      addresses: ['127.0.0.1'],
      announced: [],
      webrtcPort: 0,
      // Below those that the kernel gives to whoever asks for any.
      rtpPortMin: 20_000,
      rtpPortMax: 32_767,
      portRestMs: 0,
      latchMs: 3_000,
      iceTimeoutMs: 60_000,
      dtlsTimeoutMs: 60_000,
      consentTimeoutMs: 60_000,
      maxSessions: 100,
      ...media,
    }
    this.engine =
      engine?.(time) ??
      createNativeEngine(options, {
        report: (error) => this.#logger({}).error('internal error in media', { error }),
      })
    const openSession = this.engine.openSession.bind(this.engine)
    this.engine.openSession = async (callId, observer) => {
      const session = await openSession(callId, observer)
      this.sessions.push(session)
      this.observers.push(observer)
      return session
    }
    const flows = this.#flows()
    this.signalling = joinSignalling({
      config,
      environment: time,
      chance: () => 0,
      log: this.#logger({}),
      product: 'webtrunk-test',
      limits: { ...sipLimits(config), ...limits },
      engine: this.engine,
      tables,
      verifier,
      flows: () => flows,
      onReport: (report) => this.records.push(cdrOf(report)),
    })
    const { userAgent, calls, relay, mode, homes, states, refusals, tickets, trunkWatch } = this.signalling
    this.userAgent = userAgent
    this.calls = calls
    this.relay = relay
    this.mode = mode
    this.registration = mode.registrar
    this.homes = homes
    this.states = states
    this.refusals = refusals
    this.tickets = tickets
    this.trunkWatch = trunkWatch
    const { peer, gatewayFlow } = this.trunkAt(TRUNK.port)
    this.trunk = peer
    this.trunkFlow = gatewayFlow
    const pbx = this.#link('udp', tables.pbx.scopeAt(PBX, 'udp') ?? STRANGER, PBX, OWN_TOWARDS_PBX)
    this.pbx = pbx.peer
    this.pbxFlow = pbx.gatewayFlow
  }

  /** As the daemon's sockets choose them. */
  #flows(): TrunkFlows {
    const { trunks } = this
    return {
      flowTo: ({ trunk, remote }) =>
        new NamedFlow(this.trunkAt(remote.port, remote.address).gatewayFlow, trunk.name),
      flowToPbx: ({ trunk }) => new NamedFlow(this.pbxFlow, trunk.name),
      flowTowards: (flow, remote) => {
        if (remote.address === flow.remote.address || !trunks.isSingle(remote)) return undefined
        if (trunks.scopeAt(remote, 'udp') !== flow.scope) return undefined
        const { gatewayFlow } = this.trunkAt(remote.port, remote.address)
        return flow.peer === undefined ? gatewayFlow : new NamedFlow(gatewayFlow, flow.peer)
      },
      flowToListener: (flow, port) => {
        const { address } = flow.remote
        if (trunks.listensAt(flow.remote, 'udp') || !trunks.listensAt({ address, port }, 'udp')) {
          return undefined
        }
        return this.trunkAt(port, address).gatewayFlow
      },
    }
  }

  /** Who sends from and listens at an address of a trunk, or of somebody else; `gatewayFlow` is our end. */
  trunkAt(port: number, address = TRUNK.address): { readonly peer: Peer; readonly gatewayFlow: MemoryFlow } {
    const remote = { address, port }
    const known = this.#trunkLinks.get(`${address} ${port}`)
    if (known !== undefined) return known
    const made = this.#link('udp', this.trunks.scopeAt(remote, 'udp') ?? STRANGER, remote)
    this.#trunkLinks.set(`${address} ${port}`, made)
    return made
  }

  /** A browser on a WebSocket of its own, not registered. */
  browser(address = '198.51.100.7'): Peer {
    return this.#link('wss', `ws${this.#peers.length}`, { address, port: 50_000 + this.#peers.length }).peer
  }

  /** The same browser on a new WebSocket, not registered on it yet. */
  reconnect(peer: Peer): Peer {
    const { a, b } = memoryLink({
      time: this.time,
      transport: 'wss',
      a: {
        address: GATEWAY,
        scope: `again${this.#gatewayEnds.size}`,
        receive: this.signalling.ofBrowsers.onMessage,
      },
      b: {
        address: peer.flow.local,
        scope: 'gateway',
        receive: (bytes) => peer.userAgent.receive(bytes, peer.flow),
      },
    })
    peer.flow.continueBy(b)
    const made = { ...peer, flow: b }
    this.#gatewayEnds.set(made, a)
    return made
  }

  /** A UDP peer that is no trunk. */
  stranger(): Peer {
    return this.#link('udp', STRANGER, { address: '203.0.113.66', port: 5060 }).peer
  }

  /** A device registered as a user of the configuration. */
  async registered(user: string, device = user): Promise<Peer> {
    const peer = this.browser()
    const final = await this.register(peer, user, this.passwordOf(user), device)
    if (final !== 200) throw new Error(`REGISTER of ${user} was answered ${final}`)
    return peer
  }

  /** The same user's browser on a new WebSocket, signed in again. */
  async back(peer: Peer, user: string, device = user): Promise<Peer> {
    const made = this.reconnect(peer)
    const final = await this.register(made, user, this.passwordOf(user), device)
    if (final !== 200) throw new Error(`REGISTER of ${user} was answered ${final}`)
    return made
  }

  passwordOf(user: string): string {
    return this.config.users.find((row) => row.name === user)?.password?.reveal() ?? ''
  }

  /** The gateway's end of a browser's WebSocket. */
  gatewayEnd(peer: Peer): MemoryFlow {
    const end = this.#gatewayEnds.get(peer)
    if (end === undefined) throw new Error('no such peer')
    return end
  }

  /** REGISTER with one try at the challenge; the final status. `device`: its instance, with `;reg-id=N` behind it or not. `name`: user part of its Contact. */
  async register(
    peer: Peer,
    user: string,
    password: string,
    device = user,
    name = user,
  ): Promise<number | NoAnswer> {
    const where = { device, name }
    const first = await this.#sendRegister(peer, user, where, undefined)
    if (typeof first === 'string' || first.status !== 401) return statusIn(first)
    const challenge = first.headers.filter((row) => row.name === 'WWW-Authenticate').at(-1)?.value ?? ''
    const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? ''
    const answer = {
      username: user,
      realm: 'example.com',
      nonce,
      uri: 'sip:example.com',
      algorithm: 'MD5',
    } as const
    const qop = { nc: '00000001', cnonce: 'c0ffee' } as const
    const response = digestResponse({ ...answer, method: 'REGISTER', password, qop })
    const fields = `username="${user}", realm="${answer.realm}", nonce="${nonce}", uri="${answer.uri}", response="${response}"`
    const second = await this.#sendRegister(
      peer,
      user,
      where,
      `Digest ${fields}, algorithm=MD5, qop=auth, nc=${qop.nc}, cnonce="${qop.cnonce}"`,
    )
    return statusIn(second)
  }

  /** The WebSocket of a browser is gone, as the daemon is told by its transport. */
  async disconnect(peer: Peer): Promise<void> {
    const end = this.gatewayEnd(peer)
    peer.flow.close()
    end.close()
    this.signalling.ofBrowsers.onClose(end)
    await this.time.advance(10)
  }

  /**
   * Asks the DNS again, which has answered for five seconds at most, as the daemon does: what trunks send from now on comes by
   * flows that are made anew.
   */
  async lookUpAgain(): Promise<void> {
    await this.time.advance(5_000)
    await this.trunks.refresh()
    for (const { gatewayFlow } of this.#trunkLinks.values()) {
      gatewayFlow.seenAs = this.trunks.scopeAt(gatewayFlow.remote, 'udp') ?? STRANGER
    }
  }

  /** Everything that was sent to a browser, as text. */
  toBrowser(peer: Peer): readonly string[] {
    return this.#gatewayEnds.get(peer)?.sent ?? []
  }

  /** Lines of the log with this message. */
  logged(message: string): readonly LogLine[] {
    return this.log.filter((line) => line.message === message)
  }

  /** After the last timers of the transactions: what is left in any table. */
  async leftovers(): Promise<Readonly<Record<string, number>>> {
    await this.time.advance(120_000)
    await settle()
    const tables = {
      ...this.userAgent.tables(),
      ...this.engine.tables(),
      ...this.relay.tables(),
      ...this.homes.tables(),
      calls: this.calls.size,
    }
    return Object.fromEntries(Object.entries(tables).filter(([, size]) => size !== 0))
  }

  /** One for each call that is not to be good: the codes of all that is found in it. */
  expectsVerdicts(...calls: readonly ExpectedCall[]): void {
    this.verdicts.expect(...calls)
  }

  /** Judges the calls that have ended, and drops what is kept for tests to look at, so that many calls do not add up. */
  forget(): void {
    this.verdicts.check(this.records)
    const open = this.#peers.filter(({ flow }) => flow.isOpen)
    for (const peer of this.#peers) if (!peer.flow.isOpen) this.#gatewayEnds.delete(peer)
    this.#peers.splice(0, this.#peers.length, ...open)
    for (const peer of open) {
      const kept = [peer.invites, peer.requests, peer.subscribes, peer.flow.sent, this.gatewayEnd(peer).sent]
      for (const list of kept) list.length = 0
    }
    for (const list of [this.records, this.sessions, this.observers]) list.length = 0
    const mistakes = this.log.filter(({ message }) => message.startsWith('internal error'))
    this.log.splice(0, this.log.length, ...mistakes)
  }

  /** So many lines of the log tell of a mistake of ours, which the test makes on purpose. */
  expectsInternalErrors(count: number): void {
    this.#internalErrors = count
  }

  /**
   * Throws when anything is left in a table, when the log tells of a mistake of ours, and when calls had other verdicts than the
   * test expects. `hangsUp`: calls may go on; they are judged as they are, and ended then.
   */
  async close({ hangsUp = false }: { readonly hangsUp?: boolean } = {}): Promise<void> {
    const before = this.#everyRecord()
    if (hangsUp) this.calls.end()
    const left = await this.leftovers()
    this.signalling.close()
    for (const peer of this.#peers) peer.userAgent.close()
    await this.engine.close()
    this.verdicts.check(hangsUp ? before : this.#everyRecord())
    expectSame(`left in tables: ${inspect(left)}`, left, {})
    const mistakes = this.log.filter(({ message }) => message.startsWith('internal error'))
    expectSame(`mistakes of ours: ${inspect(mistakes)}`, mistakes.length, this.#internalErrors)
  }

  #everyRecord(): readonly Cdr[] {
    const live = this.calls.history.list().filter(({ state }) => state !== 'ended')
    return [...this.records, ...live.map(cdrOf)]
  }

  #sendRegister(
    peer: Peer,
    user: string,
    { device, name }: { readonly device: string; readonly name: string },
    authorization: string | undefined,
  ): Promise<SipResponse | NoAnswer> {
    const aor = sipUri({ user, host: 'example.com' })
    const [instance, regId = ''] = device.split(/(?=;reg-id)/)
    const contact = `<sip:${name}@df7jal23ls0d.invalid;transport=ws>;+sip.instance="<urn:uuid:${instance}>"${regId};expires=300`
    const response = new Promise<SipResponse | NoAnswer>((resolve) => {
      peer.userAgent.request(
        {
          method: 'REGISTER',
          flow: peer.flow,
          uri: sipUri({ host: 'example.com' }),
          from: nameAddr(aor),
          to: nameAddr(aor),
          headers: [
            { name: 'Contact', value: contact },
            ...(authorization === undefined ? [] : [{ name: 'Authorization', value: authorization }]),
          ],
        },
        resolve,
      )
    })
    // Longer than Timer F: a request that nobody answers ends too.
    return this.time.advance(peer.flow.isOpen ? 100 : 40_000).then(() => response)
  }

  #link(
    transport: 'udp' | 'wss',
    scope: string,
    address: { address: string; port: number },
    own = GATEWAY,
  ): { peer: Peer; gatewayFlow: MemoryFlow } {
    const invites: IncomingInvite[] = []
    const requests: IncomingRequest[] = []
    const subscribes: IncomingSubscribe[] = []
    const handler: UserAgentHandler = {
      onInvite: (invite) => {
        invite.handler = { onCancel: () => {} }
        invites.push(invite)
        peer.rings(invite)
      },
      onSubscribe: (subscribe) => {
        subscribes.push(subscribe)
      },
      onRequest: (request) => {
        if (!peer.answers(request)) requests.push(request)
      },
      onError: (error) => {
        throw error
      },
    }
    const userAgent = createUserAgent({
      environment: this.time,
      product: 'peer',
      sentBy,
      credentialsFor: () => peer.account,
      limits: PEER_LIMITS,
      handler,
    })
    const { ofBrowsers, ofTrunks } = this.signalling
    const receiving = transport === 'wss' ? ofBrowsers : ofTrunks
    const { a, b } = memoryLink({
      time: this.time,
      transport,
      a: { address: own, scope, receive: receiving.onMessage },
      b: { address, scope: 'gateway', receive: (bytes, flow) => userAgent.receive(bytes, flow) },
    })
    const peer: Peer = {
      userAgent,
      flow: b,
      invites,
      requests,
      subscribes,
      account: undefined,
      answers: () => false,
      rings: () => {},
    }
    this.#peers.push(peer)
    this.#gatewayEnds.set(peer, a)
    return { peer, gatewayFlow: a }
  }

  #logger(base: Readonly<Record<string, unknown>>): Log {
    const at =
      (level: string) =>
      (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
        this.log.push({ level, message, fields: { ...base, ...fields } })
      }
    return {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: at('debug'),
      child: (fields) => this.#logger({ ...base, ...fields }),
    }
  }
}

function expectSame(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return
  throw new AssertionError({ message: what, actual, expected, operator: 'deepStrictEqual' })
}

const sentBy = (flow: Flow) => ({ host: flow.local.address, port: flow.local.port })

/** The Reason header of a response. */
export const reasonOf = (message: SipResponse | SipRequest): string | undefined => header(message, 'Reason')

/** The status of an answer, or why there is none. */
export const statusIn = <None extends string | undefined>(answer: SipResponse | None): number | None =>
  typeof answer === 'object' ? answer.status : answer
