import { createHmac } from 'node:crypto'
import type { TurnConfig } from '../../config/config.ts'
import type { Header } from '../../sip/message/message.ts'

/** As `RTCPeerConnection` takes them, and how long they are good. */
export interface IceServers {
  readonly iceServers: readonly {
    readonly urls: readonly string[]
    readonly username: string
    readonly credential: string
  }[]
  readonly lifetimeS: number
}

/**
 * TURN credentials by the convention that coturn calls `use-auth-secret`: the user name begins with the time it ends (seconds
 * since 1970), the password is HMAC-SHA1 of the user name under a secret shared with the TURN server, in Base64. Nothing
 * is stored; a client that has one can relay media until it ends, so only signed-in users get them.
 */
export class TurnCredentials {
  readonly #config: TurnConfig
  readonly #nowMs: () => number

  /** `nowMs`: wall clock. */
  constructor(config: TurnConfig, nowMs: () => number = Date.now) {
    this.#config = config
    this.#nowMs = nowMs
  }

  serversFor(user: string): IceServers {
    const { urls, secret, lifetimeS } = this.#config
    const username = `${Math.floor(this.#nowMs() / 1_000) + lifetimeS}:${user}`
    const credential = createHmac('sha1', secret.reveal()).update(username).digest('base64')
    return { iceServers: [{ urls, username, credential }], lifetimeS }
  }

  /** For the 200 of a REGISTER. One line of JSON, which holds no line end and no control character. */
  headerFor(user: string): Header {
    return { name: 'X-Ice-Servers', value: JSON.stringify(this.serversFor(user)) }
  }
}
