import {
  type Bye,
  type Cancel,
  Invitation,
  type Inviter,
  type Notification,
  type Session,
  SessionState,
  type URI,
  Web,
} from 'sip.js'
import type { IncomingResponse } from 'sip.js/lib/core/index.js'
import { CODES, type Code } from '../diagnosis.ts'
import { CallWatch } from './call-watch.ts'
import { audioConstraints } from './devices.ts'
import { infoOf, sendInAudio } from './dtmf.ts'
import { failureText, parseReasons, wasTakenElsewhere } from './failure-text.ts'
import { climbed, ended, type Ladder, newLadder, type RungEvent, rungOf } from './ladder.ts'
import { replaceMicrophone } from './microphone.ts'
import { PathWatch } from './path-watch.ts'
import { Reoffers, statusLine } from './reoffer.ts'

/**
 *     dialling -> ringing -> active -> ended
 *     incoming -> answering -> active -> ended     (and from every state to ended)
 */
export type CallState = 'dialling' | 'ringing' | 'incoming' | 'answering' | 'active' | 'ended'

export interface CallObserver {
  onState(call: PhoneCall): void
  /** The streams exist now; their tracks may still come. */
  onStreams(call: PhoneCall, local: MediaStream, remote: MediaStream): void
  onLadder(call: PhoneCall): void
}

/** One call to or from this page, from the first ring to the end. Never throws: what goes wrong is `problem`. */
export class PhoneCall {
  readonly #session: Inviter | Invitation
  readonly #observer: CallObserver
  #state: CallState
  #problem: string | undefined
  #hasEarlyMedia = false
  #activeSince: number | undefined
  #path: RTCPeerConnectionState = 'new'
  readonly #reoffers: Reoffers
  #isMuted = false
  #ladder = newLadder()
  #watch: CallWatch | undefined
  #pathWatch: PathWatch | undefined
  #code: Code | undefined
  readonly #startedAtMs = performance.now()

  constructor(session: Inviter | Invitation, observer: CallObserver) {
    this.#session = session
    this.#reoffers = new Reoffers(session)
    this.#observer = observer
    this.#state = session instanceof Invitation ? 'incoming' : 'dialling'
    session.delegate = {
      onBye: (bye) => this.#onBye(bye),
      onCancel: (cancel) => this.#onCancel(cancel),
      // Somebody else may be on the line.
      onInvite: () => this.#observer.onState(this),
      onSessionDescriptionHandler: () => this.#onMediaHandler(),
    }
    session.stateChange.addListener((state) => this.#onSessionState(state))
  }

  /** Who is on the line, as the gateway has said last. */
  get peer(): string {
    const { displayName, uri } = this.#session.assertedIdentity ?? this.#session.remoteIdentity
    return displayName || unescapeUser(uri.user ?? '') || uri.host
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

  get isHeld(): boolean {
    return this.#reoffers.isHeld
  }

  get isMuted(): boolean {
    return this.#isMuted
  }

  /** By which the gateway knows it. */
  get callId(): string {
    return this.#session.request.callId
  }

  /** How far the call has come, stage by stage. */
  get ladder(): Ladder {
    return this.#ladder
  }

  /** Why the gateway ended or refused the call, by the code in its Reason header. */
  get code(): Code | undefined {
    return this.#code
  }

  /** Undefined before the call has media. */
  get streams(): { readonly local: MediaStream; readonly remote: MediaStream } | undefined {
    const handler = this.#mediaHandler()
    return handler && { local: handler.localMediaStream, remote: handler.remoteMediaStream }
  }

  dial(constraints: MediaStreamConstraints): void {
    if (this.#session instanceof Invitation) return
    this.#climb({ rung: 'signalling', kind: 'began', detail: 'calling' })
    this.#session
      .invite({
        sessionDescriptionHandlerOptions: { constraints },
        requestDelegate: {
          onProgress: (response) => this.#onProgress(response),
          onReject: (response) => this.#onReject(response),
        },
      })
      .catch((error: unknown) => this.#fail(error))
  }

  answer(constraints: MediaStreamConstraints): void {
    if (!(this.#session instanceof Invitation) || this.#state !== 'incoming') return
    this.#enter('answering')
    this.#session.accept({ sessionDescriptionHandlerOptions: { constraints } }).catch((error: unknown) => {
      this.#fail(error)
      this.hangUp()
    })
  }

  /** Rejects, cancels or ends, whatever the state asks for. */
  hangUp(): void {
    const session = this.#session
    const over = (): void => this.#enter('ended')
    if (session.state === SessionState.Established) void session.bye().catch(over)
    else if (session instanceof Invitation) {
      // 486 rather than 603: the far end may still try voice mail or another number.
      void session.reject({ statusCode: 486 }).catch(over)
    } else if (session.state === SessionState.Establishing || session.state === SessionState.Initial) {
      void session.cancel().catch(over)
    }
  }

  setMuted(isMuted: boolean): void {
    this.#isMuted = isMuted
    this.#enableMicrophone()
    this.#observer.onState(this)
  }

  /** Resolves when the far end has agreed; rejects with its refusal, and nothing has changed then. */
  async hold(isHeld: boolean): Promise<void> {
    if (this.#state !== 'active' || isHeld === this.isHeld) return
    await this.#reoffers.hold(isHeld)
    if (this.#watch !== undefined) this.#watch.isOnHold = isHeld
    // The microphone only: a receiver that is switched off and on again over a hold stays silent in Chromium now and then.
    this.#enableMicrophone()
    this.#observer.onState(this)
  }

  /** As another network wants it. */
  async #restartIce(): Promise<void> {
    if (this.#state !== 'active') throw new Error('the call is not active')
    await this.#reoffers.restartIce()
  }

  /** One key of the dial pad: in the audio stream (RFC 4733) where the far end takes that, else by INFO. */
  press(digit: string): void {
    if (this.#state !== 'active') return
    const connection = this.#mediaHandler()?.peerConnection
    if (connection !== undefined && sendInAudio(connection, digit)) return
    this.#session
      .info({ requestOptions: { body: infoOf(digit) } })
      .catch((error: unknown) => this.#fail(error))
  }

  /** To a number, or to another call of ours, whose far end is then joined with this one's. Rejects with the refusal. */
  transfer(target: URI | PhoneCall): Promise<void> {
    return new Promise((resolve, reject) => {
      const onNotify = (notification: Notification): void => {
        void notification.accept()
        const [, status, reason] = /^SIP\/2\.0 (\d{3}) ?(.*)/.exec(notification.request.body) ?? []
        if (Number(status) >= 300) reject(new Error(`${status} ${reason}`.trim()))
        else if (Number(status) >= 200) resolve()
      }
      const requestDelegate = {
        onReject: ({ message }: IncomingResponse) => reject(new Error(statusLine(message))),
      }
      this.#session
        .refer(target instanceof PhoneCall ? target.#session : target, { onNotify, requestDelegate })
        .catch(reject)
    })
  }

  /** Goes on with another microphone. Rejects when the browser does not give it. */
  async useMicrophone(deviceId: string): Promise<void> {
    const handler = this.#mediaHandler()
    if (handler === undefined) return
    if (!(await replaceMicrophone(handler, { audio: audioConstraints(deviceId) }))) return
    this.#observer.onStreams(this, handler.localMediaStream, handler.remoteMediaStream)
  }

  #enableMicrophone(): void {
    const handler = this.#mediaHandler()
    if (handler?.peerConnection !== undefined) handler.enableSenderTracks(!this.#isMuted && !this.isHeld)
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
    const connection = handler.peerConnection
    if (connection !== undefined) {
      this.#watch = new CallWatch(connection, (event) => this.#climb(event))
      const restart = (): Promise<void> => this.#restartIce()
      this.#pathWatch = new PathWatch({ connection, network: window, restart })
    }
    this.#observer.onStreams(this, handler.localMediaStream, handler.remoteMediaStream)
  }

  #climb(event: RungEvent): void {
    if (this.#state === 'ended') return
    this.#ladder = climbed(this.#ladder, event, performance.now() - this.#startedAtMs)
    this.#observer.onLadder(this)
  }

  /** The gateway's code names the rung; without one it was signalling, as far as can be seen from here. */
  #onReasons(reasons: readonly string[], said: string): void {
    this.#code = parseReasons(reasons)
      .map(({ text }) => text)
      .find((text): text is Code => text !== undefined && text in CODES)
    const rung = this.#code === undefined ? 'signalling' : rungOf(CODES[this.#code].stage)
    const detail = this.#code === undefined ? said : CODES[this.#code].text
    this.#climb({ rung, kind: 'failed', detail })
  }

  #onProgress({ message }: IncomingResponse): void {
    if (this.#state === 'ended' || (message.statusCode ?? 0) <= 100) return
    if (message.body !== '') this.#hasEarlyMedia = true
    this.#climb({ rung: 'signalling', kind: 'began', detail: statusLine(message) })
    this.#enter('ringing')
  }

  #onReject({ message }: IncomingResponse): void {
    // Our own CANCEL comes back as 487: not a problem.
    if (message.statusCode === 487) return
    const reasons = message.getHeaders('Reason')
    this.#problem = failureText({ status: message.statusCode, phrase: message.reasonPhrase ?? '', reasons })
    this.#onReasons(reasons, statusLine(message))
  }

  #onBye(bye: Bye): void {
    const reasons = bye.request.getHeaders('Reason')
    this.#problem = failureText({ status: undefined, phrase: '', reasons })
    if (this.#problem !== undefined) this.#onReasons(reasons, this.#problem)
    void bye.accept()
  }

  #onCancel({ request }: Cancel): void {
    const reasons = request.getHeaders('Reason')
    if (wasTakenElsewhere(reasons)) return
    this.#problem =
      failureText({ status: undefined, phrase: '', reasons }) ?? `Missed call from ${this.peer}.`
  }

  #onSessionState(state: Session['state']): void {
    if (state === SessionState.Established) {
      this.#activeSince = performance.now()
      this.#climb({ rung: 'signalling', kind: 'reached', detail: 'answered' })
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
    if (state === 'ended') {
      this.#watch?.close()
      this.#pathWatch?.close()
      this.#ladder = ended(this.#ladder)
    }
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
