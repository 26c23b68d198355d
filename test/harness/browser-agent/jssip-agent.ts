import { UA, WebSocketInterface } from 'jssip'
import type {
  EndEvent,
  HoldEvent,
  IncomingEvent,
  OutgoingEvent,
  ReferEvent,
  RTCSession,
} from 'jssip/lib/RTCSession'
import type { AgentAudio, AgentEvent, AgentOptions, AgentStats, BrowserAgentInPage } from './agent.ts'
import { AgentCalls } from './agent-calls.ts'

const MEDIA = {
  mediaConstraints: { audio: true, video: false },
  pcConfig: { iceServers: [] },
}

/** What its types leave out: the second half of `accept` of `refer` and `replaces`. */
type Follow = (onSession: (session: RTCSession) => void, options: typeof MEDIA) => void

/** What NOTIFY and the response to REFER tell. */
interface ReferStatus {
  readonly status_line?: { readonly status_code: number }
  readonly response?: { readonly status_code: number } | null
}

/** JsSIP, its defaults left alone: it attaches early media from any 18x and refreshes sessions of 90 s. */
export class JssipAgent implements BrowserAgentInPage {
  readonly #agent: UA
  readonly #domain: string
  readonly #calls = new AgentCalls<RTCSession>()

  constructor({ server, domain, user, password, hurries, instance }: AgentOptions) {
    this.#domain = domain
    this.#agent = new UA({
      sockets: new WebSocketInterface(server),
      uri: `sip:${user}@${domain}`,
      password,
      register: false,
      connection_recovery_min_interval: 1,
      ...(instance === undefined ? {} : { instance_id: instance }),
      // Else the gateway takes the refreshing upon itself, and its timers do not hurry.
      session_timers_force_refresher: hurries,
    })
    this.#agent.on('newRTCSession', ({ session }: { readonly session: RTCSession }) => this.#watch(session))
  }

  get events(): readonly AgentEvent[] {
    return this.#calls.events
  }

  async register(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#agent.on('connected', () => this.#agent.register())
      this.#agent.on('registered', () => resolve())
      this.#agent.on('registrationFailed', ({ cause }) => reject(new Error(`registration: ${cause}`)))
      this.#agent.start()
    })
  }

  async unregister(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#agent.on('unregistered', () => resolve())
      this.#agent.stop()
    })
  }

  call(target: string): number {
    const session = this.#agent.call(`sip:${target}@${this.#domain}`, MEDIA)
    return this.#numberOf(session)
  }

  incoming(): readonly number[] {
    return this.#calls.numbersWhere(
      (session) => String(session.direction) === 'incoming' && session.isInProgress(),
    )
  }

  peerOf(call: number): string {
    return this.#calls.get(call).remote_identity.uri.user
  }

  async answer(call: number): Promise<void> {
    this.#calls.get(call).answer(MEDIA)
  }

  hangUp(call: number): void {
    const session = this.#calls.get(call)
    if (!session.isEnded()) session.terminate()
  }

  hold(call: number): Promise<void> {
    return this.#reoffer(call, 'hold')
  }

  resume(call: number): Promise<void> {
    return this.#reoffer(call, 'unhold')
  }

  restartIce(call: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const session = this.#calls.get(call)
      const options = { rtcOfferConstraints: { iceRestart: true } }
      if (!session.renegotiate(options, resolve)) reject(new Error('JsSIP does not re-offer now'))
      session.once('ended', () => reject(new Error('the call has ended')))
    })
  }

  transfer(call: number, target: string): Promise<number> {
    return this.#refer(call, `sip:${target}@${this.#domain}`)
  }

  transferTo(call: number, other: number): Promise<number> {
    const replaces = this.#calls.get(other)
    return this.#refer(call, replaces.remote_identity.uri.toString(), replaces)
  }

  async dtmf(call: number, tones: string, by: 'media' | 'info'): Promise<void> {
    // Its enumeration is a type without a value in the package.
    const transportType = (by === 'info' ? 'INFO' : 'RFC2833') as never
    this.#calls.get(call).sendDTMF(tones, { transportType })
  }

  audio(call: number): AgentAudio {
    return this.#calls.audio(call)
  }

  stats(call: number): Promise<AgentStats> {
    return this.#calls.stats(call)
  }

  #numberOf(session: RTCSession): number {
    const [call] = this.#calls.numbersWhere((known) => known === session)
    return call ?? this.#watch(session)
  }

  #watch(session: RTCSession): number {
    const call = this.#calls.add(session)
    // For a call of ours the connection is there before we are told of the session.
    this.#calls.addConnection(call, session.connection ?? undefined)
    session.on('peerconnection', ({ peerconnection }) => this.#calls.addConnection(call, peerconnection))
    session.on('progress', (event: IncomingEvent | OutgoingEvent) => {
      // What it sends itself (180 for an incoming call) is told here too, without a response.
      const status = 'response' in event ? event.response?.status_code : undefined
      if (status !== undefined) this.#calls.tell({ kind: 'progress', call, status })
    })
    session.on('accepted', () => this.#calls.tell({ kind: 'accepted', call }))
    session.on('failed', (event) => this.#tellEnd('failed', call, event))
    session.on('ended', (event) => this.#tellEnd('ended', call, event))
    session.on('hold', (event) => this.#tellChange(call, event, 'hold'))
    session.on('unhold', (event) => this.#tellChange(call, event, 'resume'))
    session.on('refer', (event) => this.#follow(call, event, 'referred'))
    session.on('replaces', (event) => this.#follow(call, event, 'replaced'))
    return call
  }

  #tellChange(call: number, { originator }: HoldEvent, cause: 'hold' | 'resume'): void {
    if (String(originator) === 'remote') this.#calls.tell({ kind: 'changed-by-peer', call, cause })
  }

  #tellEnd(kind: 'failed' | 'ended', call: number, { originator, message, cause }: EndEvent): void {
    // It gives null where its types promise a message.
    const source: EndEvent['message'] | null = message
    const status = source !== null && 'status_code' in source ? source.status_code : undefined
    const reason = source?.getHeader?.('Reason')
    this.#calls.tell({
      kind,
      call,
      cause,
      by: String(originator) === 'remote' ? 'peer' : 'us',
      ...(status === undefined ? {} : { status }),
      ...(reason === undefined ? {} : { reason }),
    })
  }

  #follow(call: number, { accept }: ReferEvent, kind: 'referred' | 'replaced'): void {
    this.#calls.tell({ kind, call })
    const follow = accept as Follow
    follow((session) => this.#numberOf(session), MEDIA)
  }

  #reoffer(call: number, change: 'hold' | 'unhold'): Promise<void> {
    const session = this.#calls.get(call)
    return new Promise((resolve, reject) => {
      // It ends the call when its re-INVITE is refused, and tells nothing else.
      session.on('ended', ({ cause }) => reject(new Error(`${change}: the call ended, ${cause}`)))
      if (!session[change]({}, resolve)) reject(new Error(`not ready to ${change}`))
    })
  }

  #refer(call: number, target: string, replaces?: RTCSession): Promise<number> {
    return new Promise((resolve) => {
      const done = ({ status_line, response }: ReferStatus): void =>
        resolve(status_line?.status_code ?? response?.status_code ?? 0)
      const eventHandlers = { requestFailed: done, accepted: done, failed: done }
      this.#calls
        .get(call)
        .refer(target, replaces === undefined ? { eventHandlers } : { eventHandlers, replaces })
    })
  }
}
