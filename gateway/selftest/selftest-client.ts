import {
  type BodyAndContentType,
  Inviter,
  Registerer,
  RegistererState,
  type SessionDescriptionHandler,
  SessionState,
  UserAgent,
} from 'sip.js/lib/api/index.js'
import { CODES, type Code } from '../diagnosis.ts'
import type { GatewayFailure } from '../gateway-failure.ts'
import type { SelftestAudio } from './selftest-audio.ts'
import { SelftestConnection, type SelftestTrust } from './selftest-connection.ts'

export interface SelftestAccount {
  /** `wss://phone.example.com/sip`. */
  readonly url: string
  readonly domain: string
  readonly user: string
  readonly password: string
  /** Of the certificate that is shown there. */
  readonly trust: SelftestTrust
}

/** What has a code of ours. */
export interface SelftestFailure {
  readonly code: Code
  readonly expected?: string | undefined
  readonly seen?: string | undefined
}

/** Why the gateway said no, as it said it. */
export class SelftestRefusal extends Error {
  /** Undefined: a word of the gateway, whose own ladder of the call says more. */
  readonly failure: SelftestFailure | undefined

  constructor(message: string, failure?: SelftestFailure) {
    super(message)
    this.failure = failure
  }
}

const REGISTRATION_S = 120

/** werift behind SIP.js, in the place of a browser's RTCPeerConnection. */
class WeriftDescription implements SessionDescriptionHandler {
  readonly #audio: SelftestAudio

  constructor(audio: SelftestAudio) {
    this.#audio = audio
  }

  close(): void {}

  hasDescription(contentType: string): boolean {
    return contentType === 'application/sdp'
  }

  async getDescription(): Promise<BodyAndContentType> {
    const body = this.#audio.description === '' ? await this.#audio.offer() : this.#audio.description
    return { body, contentType: 'application/sdp' }
  }

  /** A later description changes nothing for a call of seconds. */
  async setDescription(sdp: string): Promise<void> {
    if (!this.#audio.isAnswered) await this.#audio.accept(sdp)
  }

  sendDtmf(): boolean {
    return false
  }
}

/** A softphone for one call: SIP.js as the page has it, and werift for media. */
export class SelftestClient {
  readonly #account: SelftestAccount
  readonly #agent: UserAgent
  readonly #registerer: Registerer
  readonly audio: SelftestAudio
  readonly #connection: SelftestConnection
  #inviter: Inviter | undefined

  constructor(account: SelftestAccount, audio: SelftestAudio) {
    this.#account = account
    this.audio = audio
    this.#connection = new SelftestConnection(account.url, account.trust)
    Object.assign(globalThis, { WebSocket: this.#connection.socketClass() })
    const uri = UserAgent.makeURI(`sip:${encodeURIComponent(account.user)}@${account.domain}`)
    if (uri === undefined) throw new SelftestRefusal(`no SIP address: ${account.user}@${account.domain}`)
    this.#agent = new UserAgent({
      uri,
      authorizationUsername: account.user,
      authorizationPassword: account.password,
      transportOptions: { server: account.url },
      sessionDescriptionHandlerFactory: () => new WeriftDescription(audio),
      logBuiltinEnabled: false,
    })
    this.#registerer = new Registerer(this.#agent, { expires: REGISTRATION_S })
  }

  /** What others may not like of the connection that we have taken. */
  get warnings(): readonly GatewayFailure[] {
    return this.#connection.warnings
  }

  async connect(): Promise<void> {
    await this.#agent.start().catch((error: unknown) => {
      const { failure } = this.#connection
      throw new SelftestRefusal(
        failure === undefined
          ? `${this.#account.url} cannot be reached: ${messageOf(error)}`
          : `${failure.code}: ${failure.message}`,
        failure,
      )
    })
  }

  async register(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#registerer.stateChange.addListener((state) => {
        if (state === RegistererState.Registered) resolve()
      })
      const onReject = ({ message }: Rejection): void => {
        const { said, code } = answerOf(message)
        // No call has a ladder for it.
        const failure = code !== undefined && isCode(code) ? { code, seen: said } : undefined
        reject(new SelftestRefusal(`REGISTER was answered ${said}`, failure))
      }
      this.#registerer.register({ requestDelegate: { onReject } }).catch(reject)
    })
  }

  /** Resolves with the Call-ID when the call is answered. */
  async call(number: string): Promise<string> {
    const target = UserAgent.makeURI(`sip:${encodeURIComponent(number)}@${this.#account.domain}`)
    if (target === undefined) throw new SelftestRefusal(`nothing to dial: ${number}`)
    const inviter = new Inviter(this.#agent, target)
    this.#inviter = inviter
    await new Promise<void>((resolve, reject) => {
      inviter.stateChange.addListener((state) => {
        if (state === SessionState.Established) resolve()
      })
      const onReject = ({ message }: Rejection): void => {
        const { said, code } = answerOf(message)
        const told = code === undefined ? '' : ` (${code})`
        reject(new SelftestRefusal(`INVITE was answered ${said}${told}`))
      }
      inviter.invite({ requestDelegate: { onReject } }).catch(reject)
    })
    return inviter.request.callId
  }

  /** Of the call, once there is one: also of one that was refused. */
  get callId(): string | undefined {
    return this.#inviter?.request.callId
  }

  /** BYE or CANCEL, sign-off, disconnection; never rejects. */
  async close(): Promise<void> {
    const inviter = this.#inviter
    const goodbye =
      inviter?.state === SessionState.Established
        ? inviter.bye()
        : inviter?.state === SessionState.Establishing
          ? inviter.cancel()
          : undefined
    // The result stands by now: a goodbye that fails changes nothing of it.
    await goodbye?.catch(() => undefined)
    await this.audio.close()
    if (this.#registerer.state === RegistererState.Registered) {
      await this.#registerer.unregister().catch(() => undefined)
    }
    await this.#agent.stop().catch(() => undefined)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

interface Rejection {
  readonly message: {
    readonly statusCode?: number
    readonly reasonPhrase?: string
    getHeader(name: string): string | undefined
  }
}

/** The refusal as its status line has it, and what its Reason header adds. */
function answerOf(message: Rejection['message']): {
  readonly said: string
  readonly code: string | undefined
} {
  const code = /text="([^"]*)"/.exec(message.getHeader('Reason') ?? '')?.[1]
  return { said: `${message.statusCode} ${message.reasonPhrase}`, code }
}

const isCode = (word: string): word is Code => Object.hasOwn(CODES, word)
