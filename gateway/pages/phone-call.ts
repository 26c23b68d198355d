import { type Bye, type Cancel, Invitation, type Inviter, type Session, SessionState, Web } from 'sip.js'
import type { IncomingResponse } from 'sip.js/lib/core/index.js'
import { failureText } from './failure-text.ts'

/**
 *     dialling -> ringing -> active -> ended
 *     incoming -> answering -> active -> ended     (and from every state to ended)
 */
export type CallState = 'dialling' | 'ringing' | 'incoming' | 'answering' | 'active' | 'ended'

export interface CallObserver {
  onState(call: PhoneCall): void
  /** The streams exist now; their tracks may still come. */
  onStreams(local: MediaStream, remote: MediaStream): void
}

const MICROPHONE = { audio: true, video: false }

/** One call to or from this page, from the first ring to the end. Never throws: what goes wrong is `problem`. */
export class PhoneCall {
  readonly peer: string
  readonly #session: Inviter | Invitation
  readonly #observer: CallObserver
  #state: CallState
  #problem: string | undefined
  #hasEarlyMedia = false
  #activeSince: number | undefined
  #path: RTCPeerConnectionState = 'new'

  constructor(session: Inviter | Invitation, observer: CallObserver) {
    this.#session = session
    this.#observer = observer
    this.#state = session instanceof Invitation ? 'incoming' : 'dialling'
    const identity = session.remoteIdentity
    this.peer = identity.displayName || unescapeUser(identity.uri.user ?? '') || identity.uri.host
    session.delegate = {
      onBye: (bye) => this.#onBye(bye),
      onCancel: (cancel) => this.#onCancel(cancel),
      onSessionDescriptionHandler: () => this.#onMediaHandler(),
    }
    session.stateChange.addListener((state) => this.#onSessionState(state))
  }

  get state(): CallState {
    return this.#state
  }

  /** What went wrong, in words; undefined when the call simply ended. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** The far end sends audio before the answer: no local ringback then. */
  get hasEarlyMedia(): boolean {
    return this.#hasEarlyMedia
  }

  /** `performance.now()` of the answer. */
  get activeSince(): number | undefined {
    return this.#activeSince
  }

  /** How far ICE and DTLS are. */
  get path(): RTCPeerConnectionState {
    return this.#path
  }

  dial(): void {
    if (this.#session instanceof Invitation) return
    this.#session
      .invite({
        sessionDescriptionHandlerOptions: { constraints: MICROPHONE },
        requestDelegate: {
          onProgress: (response) => this.#onProgress(response),
          onReject: (response) => this.#onReject(response),
        },
      })
      .catch((error: unknown) => this.#fail(error))
  }

  answer(): void {
    if (!(this.#session instanceof Invitation) || this.#state !== 'incoming') return
    this.#enter('answering')
    this.#session
      .accept({ sessionDescriptionHandlerOptions: { constraints: MICROPHONE } })
      .catch((error: unknown) => {
        this.#fail(error)
        this.hangUp()
      })
  }

  /** Rejects, cancels or ends, whatever the state asks for. */
  hangUp(): void {
    const session = this.#session
    const ended = (): void => this.#enter('ended')
    if (session.state === SessionState.Established) void session.bye().catch(ended)
    else if (session instanceof Invitation) {
      // 486 rather than 603: the far end may still try voice mail or another number.
      void session.reject({ statusCode: 486 }).catch(ended)
    } else if (session.state === SessionState.Establishing || session.state === SessionState.Initial) {
      void session.cancel().catch(ended)
    }
  }

  setMuted(isMuted: boolean): void {
    const handler = this.#mediaHandler()
    if (handler?.peerConnection !== undefined) handler.enableSenderTracks(!isMuted)
  }

  #mediaHandler(): Web.SessionDescriptionHandler | undefined {
    const handler = this.#session.sessionDescriptionHandler
    return handler instanceof Web.SessionDescriptionHandler ? handler : undefined
  }

  #onMediaHandler(): void {
    const handler = this.#mediaHandler()
    if (handler === undefined) return
    handler.peerConnectionDelegate = {
      onconnectionstatechange: () => {
        this.#path = handler.peerConnection?.connectionState ?? 'closed'
        if (this.#path === 'failed') this.#problem = 'The audio path to the gateway failed.'
        this.#observer.onState(this)
      },
    }
    this.#observer.onStreams(handler.localMediaStream, handler.remoteMediaStream)
  }

  #onProgress({ message }: IncomingResponse): void {
    if (this.#state === 'ended' || (message.statusCode ?? 0) <= 100) return
    if (message.body !== '') this.#hasEarlyMedia = true
    this.#enter('ringing')
  }

  #onReject({ message }: IncomingResponse): void {
    // Our own CANCEL comes back as 487: not a problem.
    if (message.statusCode === 487) return
    this.#problem = failureText({
      status: message.statusCode,
      phrase: message.reasonPhrase ?? '',
      reasons: message.getHeaders('Reason'),
    })
  }

  #onBye(bye: Bye): void {
    this.#problem = failureText({ status: undefined, phrase: '', reasons: bye.request.getHeaders('Reason') })
    void bye.accept()
  }

  #onCancel({ request }: Cancel): void {
    const reasons = request.getHeaders('Reason')
    const wasTakenElsewhere = reasons.some((reason) => /^\s*SIP\s*;.*cause\s*=\s*200\b/i.test(reason))
    if (wasTakenElsewhere) return
    this.#problem =
      failureText({ status: undefined, phrase: '', reasons }) ?? `Missed call from ${this.peer}.`
  }

  #onSessionState(state: Session['state']): void {
    if (state === SessionState.Established) {
      this.#activeSince = performance.now()
      this.#enter('active')
    } else if (state === SessionState.Terminated) {
      // SIP.js tells why only after it has told that: wait for the reason.
      setTimeout(() => this.#enter('ended'))
    }
  }

  #fail(error: unknown): void {
    this.#problem ??= describeError(error)
    if (this.#session.state === SessionState.Terminated) this.#enter('ended')
  }

  #enter(state: CallState): void {
    if (this.#state === 'ended') return
    this.#state = state
    this.#observer.onState(this)
  }
}

/** A caller may send a broken escape; it is shown as it came. */
const unescapeUser = (user: string): string => {
  try {
    return decodeURIComponent(user)
  } catch {
    return user
  }
}

const describeError = (error: unknown): string => {
  const name = error instanceof Error ? error.name : ''
  if (name === 'NotAllowedError') return 'The browser did not allow the microphone.'
  if (name === 'NotFoundError') return 'No microphone was found.'
  if (name === 'NotReadableError') return 'The microphone is in use by another program.'
  if (!window.isSecureContext) return 'Browsers give the microphone only to https:// pages and to localhost.'
  return error instanceof Error ? error.message : String(error)
}
