import type { Log } from '../../config/logging.ts'
import type { LegName, MediaEngine, MediaSession } from '../../media/engine.ts'
import type { MediaFailure } from '../../media/failure.ts'
import type { KeyPress, LocalTransport } from '../../media/parameters.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import type { CallObserver } from '../ladder/call-observer.ts'
import type { MediaFinding } from '../ladder/media-judge.ts'
import { MediaWatch } from '../ladder/media-watch.ts'
import type { Reporters } from '../ladder/reporters.ts'
import { Leg, type LegMedia } from './leg.ts'
import type { Side } from './side.ts'

export interface CallMediaOptions {
  readonly callId: string
  readonly engine: MediaEngine
  readonly environment: SipEnvironment
  readonly log: Log
  readonly observer: CallObserver
  readonly reporters: Reporters
  readonly sides: () => readonly Side[]
  readonly onFailure: (leg: LegName, failure: MediaFailure) => void
  readonly onKeyPress: (leg: LegName, key: KeyPress) => void
  /** A leg has got ports of its own. */
  readonly onMoved: (leg: LegName, local: LocalTransport) => void
  readonly onFinding: (finding: MediaFinding) => void
}

/** The media of one call: its session, the legs opened in it, and who looks at what they do. */
export class CallMedia {
  readonly #options: CallMediaOptions
  readonly #watch: MediaWatch
  #session: MediaSession | undefined

  constructor(options: CallMediaOptions) {
    const { environment, observer, reporters, sides, log, onFinding } = options
    this.#options = options
    this.#watch = new MediaWatch({
      environment,
      trace: observer.trace,
      session: () => this.#session,
      sides,
      reporters,
      onFinding,
      onError: (error) => log.error('internal error', { error }),
    })
  }

  get session(): MediaSession {
    if (this.#session === undefined) throw new Error('a leg before its session')
    return this.#session
  }

  /** Rejects as `MediaEngine.openSession`. */
  async open(): Promise<MediaSession> {
    const { engine, callId, observer, log, onFailure, onKeyPress, onMoved } = this.#options
    const session = await engine.openSession(callId, {
      onStage: (leg, event) => {
        observer.stage(leg, event)
        log.info(event.kind, { leg, ...event })
      },
      onFailure,
      onKeyPress,
      onMoved,
      onNote: (leg, note) => observer.note(leg, note),
    })
    this.#session = session
    return session
  }

  /** Rejects as `Leg.open`. `isPassing`: without it the call goes on, and has no such leg. */
  async openLeg(
    name: LegName,
    media: LegMedia,
    { isCaller, isPassing }: { readonly isCaller: boolean; readonly isPassing: boolean },
  ): Promise<Leg> {
    const { observer } = this.#options
    try {
      return await Leg.open(this.session, name, media, this.#newSessionId(), isCaller)
    } catch (error) {
      observer.blame(name, error)
      if (isPassing) observer.trace.dropped(name, verdictOf(error).message)
      throw error
    }
  }

  /** The call is answered: from now on it is judged. */
  startWatching(): void {
    this.#watch.start()
  }

  stopWatching(): void {
    this.#watch.stop()
  }

  /** What explains that nothing comes from a leg; undefined: that nothing comes. */
  whySilent(leg: LegName): Promise<MediaFailure | undefined> {
    return this.#watch.whySilent(leg)
  }

  /** Looks a last time, and gives back what the session holds. Never rejects. */
  async close(): Promise<void> {
    const { log } = this.#options
    try {
      if (this.#session === undefined) return
      await this.#watch.finish()
      const { legs } = await this.#session.stats()
      await this.#session.close()
      log.info('media closed', { legs })
    } catch (error) {
      log.error('media did not close', { error })
    }
  }

  /** RFC 8866 §5.2: unique numbers; 52 bits so that every reader can hold them. */
  #newSessionId(): string {
    return String(Number.parseInt(this.#options.environment.token().slice(-13), 16))
  }
}
