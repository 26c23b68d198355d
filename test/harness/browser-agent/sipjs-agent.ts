import {
  type Bye,
  type Cancel,
  Invitation,
  Inviter,
  type Notification,
  Registerer,
  RegistererState,
  type Session,
  SessionState,
  SIPExtension,
  URI,
  UserAgent,
  Web,
} from 'sip.js'
import type { AgentAudio, AgentEvent, AgentOptions, AgentStats, BrowserAgentInPage } from './agent.ts'
import { AgentCalls } from './agent-calls.ts'

type CallSession = Inviter | Invitation

const RECONNECT_MS = 500

const AUDIO = { constraints: { audio: true, video: false } }

/** SIP.js by its own classes, with the choices of its `SimpleUser`. */
export class SipjsAgent implements BrowserAgentInPage {
  readonly #agent: UserAgent
  readonly #registerer: Registerer
  readonly #domain: string
  readonly #reliable: boolean
  readonly #calls = new AgentCalls<CallSession>()

  constructor({ server, domain, user, password, reliable, instance }: AgentOptions) {
    this.#domain = domain
    this.#reliable = reliable
    this.#agent = new UserAgent({
      uri: new URI('sip', user, domain),
      transportOptions: { server },
      authorizationUsername: user,
      authorizationPassword: password,
      sipExtension100rel: reliable ? SIPExtension.Supported : SIPExtension.Unsupported,
      sipExtensionReplaces: SIPExtension.Supported,
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      logLevel: 'warn',
      ...(instance === undefined ? {} : { instanceId: instance, instanceIdAlwaysAdded: true }),
      delegate: {
        onInvite: (invitation) => this.#watch(invitation),
        onDisconnect: (error) => {
          if (error !== undefined) this.#comeBack()
        },
      },
    })
    this.#registerer = new Registerer(this.#agent, { expires: 300 })
  }

  get events(): readonly AgentEvent[] {
    return this.#calls.events
  }

  async register(): Promise<void> {
    await this.#agent.start()
    await this.#reach(RegistererState.Registered, () => this.#registerer.register())
  }

  /** It does not reconnect and register again by itself. */
  #comeBack(): void {
    setTimeout(() => {
      this.#agent.reconnect().then(
        () => this.#registerer.register(),
        () => this.#comeBack(),
      )
    }, RECONNECT_MS)
  }

  async unregister(): Promise<void> {
    await this.#reach(RegistererState.Unregistered, () => this.#registerer.unregister())
    await this.#agent.stop()
  }

  call(target: string): number {
    const inviter = new Inviter(this.#agent, new URI('sip', target, this.#domain), {
      earlyMedia: this.#reliable,
      sessionDescriptionHandlerOptions: AUDIO,
    })
    return this.#send(inviter)
  }

  incoming(): readonly number[] {
    return this.#calls.numbersWhere(
      (session) => session instanceof Invitation && session.state === SessionState.Initial,
    )
  }

  peerOf(call: number): string {
    return this.#calls.get(call).remoteIdentity.uri.user ?? ''
  }

  async answer(call: number): Promise<void> {
    const session = this.#calls.get(call)
    if (!(session instanceof Invitation)) throw new Error('only an incoming call can be answered')
    await session.accept({ sessionDescriptionHandlerOptions: AUDIO })
  }

  hangUp(call: number): void {
    const session = this.#calls.get(call)
    if (session.state === SessionState.Established) void session.bye()
    else if (session.state === SessionState.Terminating || session.state === SessionState.Terminated) return
    else if (session instanceof Invitation) void session.reject({ statusCode: 486 })
    else void session.cancel()
  }

  hold(call: number): Promise<void> {
    return this.#reoffer(call, true)
  }

  resume(call: number): Promise<void> {
    return this.#reoffer(call, false)
  }

  restartIce(call: number): Promise<void> {
    return this.#reinvite(call, { offerOptions: { iceRestart: true } })
  }

  transfer(call: number, target: string): Promise<number> {
    return this.#refer(call, new URI('sip', target, this.#domain))
  }

  transferTo(call: number, other: number): Promise<number> {
    return this.#refer(call, this.#calls.get(other))
  }

  async dtmf(call: number, tones: string, by: 'media' | 'info'): Promise<void> {
    const session = this.#calls.get(call)
    if (by === 'media') {
      if (!mediaOf(session)?.sendDtmf(tones)) throw new Error('the browser sends no telephone-event')
      return
    }
    for (const tone of tones) {
      await session.info({
        requestOptions: {
          body: {
            contentDisposition: 'render',
            contentType: 'application/dtmf-relay',
            content: `Signal=${tone}\r\nDuration=100`,
          },
        },
      })
    }
  }

  audio(call: number): AgentAudio {
    return this.#calls.audio(call)
  }

  stats(call: number): Promise<AgentStats> {
    return this.#calls.stats(call)
  }

  async #reach(wanted: RegistererState, act: () => Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#registerer.stateChange.addListener((state) => {
        if (state === wanted) resolve()
        else reject(new Error(`registration became ${state}`))
      })
      act().catch(reject)
    })
  }

  #send(inviter: Inviter): number {
    const call = this.#watch(inviter)
    inviter
      .invite({
        requestDelegate: {
          onProgress: ({ message: { statusCode = 0 } }) => {
            if (statusCode > 100) this.#calls.tell({ kind: 'progress', call, status: statusCode })
          },
          onReject: ({ message }) => {
            const reason = message.getHeader('Reason')
            this.#calls.tell({
              kind: 'failed',
              call,
              by: 'peer',
              ...(message.statusCode === undefined ? {} : { status: message.statusCode }),
              ...(reason === undefined ? {} : { reason }),
            })
          },
        },
      })
      .catch((error: unknown) => this.#calls.tell({ kind: 'failed', call, by: 'us', cause: String(error) }))
    return call
  }

  #watch(session: CallSession): number {
    const call = this.#calls.add(session)
    let hasEnd = false
    const tellEnd = (by: 'us' | 'peer', reason: string | undefined, isFailure: boolean): void => {
      if (hasEnd) return
      hasEnd = true
      this.#calls.tell({
        kind: isFailure ? 'failed' : 'ended',
        call,
        by,
        ...(reason === undefined ? {} : { reason }),
      })
    }
    let wasEstablished = false
    session.delegate = {
      onBye: (bye: Bye) => {
        tellEnd('peer', bye.request.getHeader('Reason'), false)
        void bye.accept()
      },
      onCancel: ({ request }: Cancel) => tellEnd('peer', request.getHeader('Reason'), true),
      onSessionDescriptionHandler: () => this.#calls.addConnection(call, mediaOf(session)?.peerConnection),
      onRefer: (referral) => {
        this.#calls.tell({ kind: 'referred', call })
        const follow = async (): Promise<void> => {
          await referral.accept()
          this.#send(referral.makeInviter({ sessionDescriptionHandlerOptions: AUDIO }))
        }
        follow().catch((error: unknown) =>
          this.#calls.tell({ kind: 'failed', call, by: 'us', cause: String(error) }),
        )
      },
    }
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) {
        wasEstablished = true
        this.#calls.tell({ kind: 'accepted', call })
      } else if (state === SessionState.Terminated && wasEstablished) tellEnd('us', undefined, false)
    })
    return call
  }

  async #reinvite(call: number, options: Web.SessionDescriptionHandlerOptions): Promise<void> {
    const session = this.#calls.get(call)
    await new Promise<void>((resolve, reject) => {
      session.sessionDescriptionHandlerOptionsReInvite = options
      session
        .invite({
          requestDelegate: {
            onAccept: () => resolve(),
            onReject: ({ message }) => reject(new Error(`refused with ${message.statusCode}`)),
          },
        })
        .catch(reject)
    })
  }

  async #reoffer(call: number, hold: boolean): Promise<void> {
    await this.#reinvite(call, { hold })
    const session = this.#calls.get(call)
    // As its SessionManager does it: the description alone would leave the microphone running into nothing.
    mediaOf(session)?.enableSenderTracks(!hold)
    mediaOf(session)?.enableReceiverTracks(!hold)
  }

  #refer(call: number, target: URI | Session): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#calls
        .get(call)
        .refer(target, {
          onNotify: (notification: Notification) => {
            void notification.accept()
            const status = Number(/^SIP\/2\.0 (\d{3})/.exec(notification.request.body)?.[1] ?? 0)
            if (status >= 200) resolve(status)
          },
          requestDelegate: { onReject: ({ message }) => resolve(message.statusCode ?? 0) },
        })
        .catch(reject)
    })
  }
}

const mediaOf = (session: Session): Web.SessionDescriptionHandler | undefined => {
  const handler = session.sessionDescriptionHandler
  return handler instanceof Web.SessionDescriptionHandler ? handler : undefined
}
