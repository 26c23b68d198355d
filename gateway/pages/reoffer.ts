import type { Session, Web } from 'sip.js'

type OfferingSession = Pick<Session, 'invite' | 'sessionDescriptionHandlerOptionsReInvite'>

/** The offers of ours in the middle of a call: to hold it, to resume it, to find another way for its audio. */
export class Reoffers {
  readonly #session: OfferingSession
  #isHeld = false

  constructor(session: OfferingSession) {
    this.#session = session
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Resolves when the far end has agreed; rejects with its refusal, and nothing has changed then. */
  async hold(isHeld: boolean): Promise<void> {
    await this.#offer({ hold: isHeld })
    this.#isHeld = isHeld
    this.#keepHold()
  }

  /** With new ICE credentials; a held call stays on hold. Rejects as `hold` does. */
  async restartIce(): Promise<void> {
    await this.#offer({ hold: this.#isHeld, offerOptions: { iceRestart: true } })
  }

  async #offer(options: Web.SessionDescriptionHandlerOptions): Promise<void> {
    this.#session.sessionDescriptionHandlerOptionsReInvite = options
    try {
      await new Promise<void>((resolve, reject) => {
        this.#session
          .invite({
            requestDelegate: {
              onAccept: () => resolve(),
              onReject: ({ message }) => reject(new Error(statusLine(message))),
            },
          })
          .catch(reject)
      })
    } finally {
      this.#keepHold()
    }
  }

  /** SIP.js takes the options of one offer, a refused one too, for whatever it offers or answers next. */
  #keepHold(): void {
    const options: Web.SessionDescriptionHandlerOptions = { hold: this.#isHeld }
    this.#session.sessionDescriptionHandlerOptionsReInvite = options
  }
}

/** `486 Busy Here` */
export const statusLine = (response: {
  readonly statusCode?: number
  readonly reasonPhrase?: string
}): string => `${response.statusCode ?? ''} ${response.reasonPhrase ?? ''}`.trim()
