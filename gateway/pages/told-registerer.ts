import { Registerer, type RegistererOptions, type RegistererRegisterOptions, type UserAgent } from 'sip.js'
import type { OutgoingRequestDelegate } from 'sip.js/lib/core/index.js'

/** Tells the answer to each REGISTER, also to those that SIP.js sends by itself before the binding ends. */
export class ToldRegisterer extends Registerer {
  readonly #delegate: OutgoingRequestDelegate

  constructor(agent: UserAgent, options: RegistererOptions, delegate: OutgoingRequestDelegate) {
    super(agent, options)
    this.#delegate = delegate
  }

  override register(options: RegistererRegisterOptions = {}): ReturnType<Registerer['register']> {
    return super.register({ requestDelegate: this.#delegate, ...options })
  }
}
