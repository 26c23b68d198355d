import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { MediaEngine } from '../media/engine.ts'
import { MIN_SESSION_S } from '../sip/dialog/session-terms.ts'
import { type Flow, isBrowserFlow } from '../sip/flow.ts'
import type { SipRequest } from '../sip/message/message.ts'
import {
  createUserAgent,
  type IncomingRequest,
  type SipEnvironment,
  type UserAgent,
  type UserAgentLimits,
} from '../sip/user-agent.ts'
import { Calls } from './calls/calls.ts'
import { Homes } from './calls/homes.ts'
import { sentBy } from './calls/sent-by.ts'
import type { CallReport } from './ladder/call-report.ts'
import { LadderTickets } from './ladder/ladder-tickets.ts'
import { Refusals } from './refusals.ts'
import type { TokenVerifier } from './registration/jwt.ts'
import { type RegistrarMode, registrarMode } from './registration/registrar-mode.ts'
import { TokenGate } from './registration/token-gate.ts'
import { UpstreamLine } from './registration/upstream-line.ts'
import { Relay } from './relay/relay.ts'
import { Strangers } from './trunks/strangers.ts'
import { sessionExpiresOf, type TrunkPath, type TrunkTable } from './trunks/trunk.ts'
import { accountsOf } from './trunks/trunk-account.ts'
import { TrunkChoice } from './trunks/trunk-choice.ts'
import { TrunkDoor } from './trunks/trunk-door.ts'
import type { TrunkFlows } from './trunks/trunk-sockets.ts'
import { TrunkStates } from './trunks/trunk-states.ts'
import { STRANGER } from './trunks/trunk-transports.ts'
import { TrunkWatch } from './trunks/trunk-watch.ts'
import { TurnCredentials } from './web/turn.ts'

export interface SignallingOptions {
  readonly config: Config
  readonly environment: SipEnvironment
  /** Draws from 0 to less than 1. */
  readonly chance: () => number
  readonly log: Log
  /** `webtrunk/0.1.0`, for Server and User-Agent. */
  readonly product: string
  readonly limits: UserAgentLimits
  readonly engine: MediaEngine
  /** The trunks; and by itself the PBX that keeps the registrations. */
  readonly tables: { readonly trunks: TrunkTable; readonly pbx: TrunkTable }
  /** Of bearer tokens; undefined where nobody signs in by one. */
  readonly verifier: TokenVerifier | undefined
  /** Asked whenever something is sent: sockets are opened later, since what they receive comes here. */
  readonly flows: () => TrunkFlows
  /** Is given the last word on each call, and on each refused attempt of somebody we know. */
  readonly onReport: (report: CallReport) => void
}

/** What a socket tells of its peers. */
export interface SocketHandler {
  readonly onMessage: (bytes: Buffer, flow: Flow) => void
  readonly onClose: (flow: Flow) => void
}

/** Everything that SIP goes through, joined; it has no socket, and no clock or chance of its own. */
export interface Signalling {
  readonly userAgent: UserAgent
  readonly calls: Calls
  /** Requests outside calls. */
  readonly relay: Relay
  readonly mode: RegistrarMode
  readonly homes: Homes
  readonly trunks: TrunkTable
  readonly states: TrunkStates
  readonly door: TrunkDoor
  /** Not started yet. */
  readonly trunkWatch: TrunkWatch
  readonly strangers: Strangers
  readonly refusals: Refusals
  readonly tickets: LadderTickets
  /** Undefined where there is no TURN server. */
  readonly turn: TurnCredentials | undefined
  readonly ofTrunks: SocketHandler
  readonly ofBrowsers: SocketHandler
  /** Registers again wherever we are registered: what is kept for us there may be over. */
  renewRegistrations(): void
  /** Stops every timer; what goes on then ends without a word. */
  close(): void
}

/** The one wiring of signalling: the daemon puts sockets round it, component tests put links in memory. */
export function joinSignalling(options: SignallingOptions): Signalling {
  const { config, environment, log, tables, verifier } = options
  const { trunks } = tables
  const nowMs = (): number => environment.nowMs()
  const states = new TrunkStates(nowMs)
  const refusals = new Refusals({ nowMs, log })
  const tokens = new TokenGate({
    verifier,
    isBarred: (flow) => registration.isBarred(flow),
    onError: logMistake(log),
  })
  const turn = config.turn === undefined ? undefined : new TurnCredentials(config.turn)
  const tickets = new LadderTickets(nowMs)
  const userAgent = joinUserAgent(options, tokens, () => parts)
  const shared = {
    config,
    environment,
    log,
    refusals,
    userAgent,
    trunks,
    states,
    choice: new TrunkChoice({ trunks, groups: config.groups, states, chance: options.chance }),
    door: new TrunkDoor({ config, trunks, environment, states, log }),
    flowTo: (path: TrunkPath): Flow => options.flows().flowTo(path),
  }
  const mode = registrarMode({
    ...shared,
    tokens,
    turn,
    tickets,
    line: upstreamLine(options),
    onRegistered: (registered) => homes.registered(registered),
  })
  const registration = mode.registrar
  const placing = { ...shared, registration, upstream: mode.upstream }
  const calls = new Calls({ ...placing, engine: options.engine, onReport: options.onReport })
  const relay = new Relay({ ...placing, admission: calls.admission })
  const { lostConnectionS } = config.calls
  const homes = new Homes({ ...shared, relay, registration, lostConnectionS })
  const trunkWatch = new TrunkWatch({ ...shared, sentBy: (flow) => sentBy(config, flow) })
  const areTrunksKnown = (): boolean => trunks.areSourcesKnown && tables.pbx.areSourcesKnown
  const strangers = new Strangers({ nowMs, log, areTrunksKnown })
  const parts: Signalling = {
    userAgent,
    calls,
    relay,
    mode,
    homes,
    trunks,
    states,
    door: shared.door,
    trunkWatch,
    strangers,
    refusals,
    tickets,
    turn,
    ofTrunks: trunkHandler(userAgent, strangers),
    ofBrowsers: browserHandler({ userAgent, mode, relay, homes }),
    renewRegistrations: () => {
      trunkWatch.renew()
      mode.renew()
    },
    close: () => {
      homes.close()
      registration.close()
      userAgent.close()
    },
  }
  return parts
}

/** Requests pass the gate of tokens, then go to the `parts`, which follow. */
function joinUserAgent(options: SignallingOptions, tokens: TokenGate, parts: () => Signalling): UserAgent {
  const { config, environment, product, limits, tables, flows, log } = options
  const { trunks, pbx } = tables
  const accounts = accountsOf(config.trunks)
  return createUserAgent({
    environment,
    product,
    limits,
    sentBy: (flow) => sentBy(config, flow),
    credentialsFor: (flow, request) =>
      parts().mode.accountFor(flow, request) ?? accounts.get(trunks.ofFlow(flow)?.config.name ?? ''),
    flowTowards: (flow, hop) => flows().flowTowards(flow, hop),
    flowToListener: (flow, port) => flows().flowToListener(flow, port),
    // JsSIP asks for the least there is and gives up when it is refused; a trunk that asks for it loses nothing by it.
    sessionTimer: {
      expiresOf: (flow) => sessionExpiresOf(config, pbx.ofFlow(flow) === undefined ? trunks : pbx, flow),
      minSeOf: () => MIN_SESSION_S,
    },
    handler: {
      onInvite: (invite) => tokens.passInvite(invite, () => parts().calls.onInvite(invite)),
      onSubscribe: (subscribe) => tokens.passSubscribe(subscribe, () => parts().relay.onSubscribe(subscribe)),
      onRequest: (request) => tokens.passRequest(request, () => onRequest(request, parts())),
      onForeign: (foreign) => tokens.passRequest(foreign, () => parts().homes.onForeign(foreign)),
      onError: logMistake(log),
    },
  })
}

/** The way to the PBX; undefined where we are the registrar. */
function upstreamLine(options: SignallingOptions): UpstreamLine | undefined {
  const { config, environment, tables, flows } = options
  const { upstream } = config
  if (upstream === undefined) return undefined
  return new UpstreamLine({
    config: upstream,
    trunks: tables.pbx,
    flowTo: (path) => flows().flowToPbx(path),
    nowMs: () => environment.nowMs(),
    sentBy: (flow) => sentBy(config, flow),
  })
}

const trunkHandler = (userAgent: UserAgent, strangers: Strangers): SocketHandler => ({
  onMessage: (bytes, flow) => (flow.scope === STRANGER ? strangers : userAgent).receive(bytes, flow),
  onClose: (flow) => userAgent.flowClosed(flow),
})

/** A WebSocket that closes takes registrations with it before `homes` asks what is left to wait for. */
const browserHandler = ({
  userAgent,
  mode,
  relay,
  homes,
}: Pick<Signalling, 'userAgent' | 'mode' | 'relay' | 'homes'>): SocketHandler => ({
  onMessage: (bytes, flow) => userAgent.receive(bytes, flow),
  onClose: (flow) => {
    userAgent.flowClosed(flow)
    mode.registrar.flowClosed(flow)
    relay.flowClosed(flow)
    homes.flowClosed(flow)
  },
})

/** Requests outside calls: REGISTER from browsers; all else is relayed or answered in its place. */
function onRequest(incoming: IncomingRequest, { mode, relay }: Pick<Signalling, 'mode' | 'relay'>): void {
  const { request, flow } = incoming
  if (request.method !== 'REGISTER' || !isBrowserFlow(flow)) {
    relay.onRequest(incoming)
    return
  }
  mode.registrar.onRegister(incoming)
}

const logMistake =
  (log: Log) =>
  (error: unknown, request: SipRequest | undefined): void =>
    log.error('internal error', { error, method: request?.method, callId: request?.callId })
