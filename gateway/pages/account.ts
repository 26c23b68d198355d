import {
  type Invitation,
  Inviter,
  RegistererState,
  type SessionDescriptionHandlerFactory,
  type URI,
  UserAgent,
} from 'sip.js'
import type { IncomingResponse } from 'sip.js/lib/core/index.js'
import { failureText, parseReasons } from './failure-text.ts'
import { type IceServer, parseIceServers } from './ice-servers.ts'
import type { Source } from './path-watch.ts'
import { ToldRegisterer } from './told-registerer.ts'

export type RegistrationState = 'signed-out' | 'connecting' | 'registered' | 'reconnecting' | 'failed'

export interface Credentials {
  /** `alice`, or `alice@example.com` when the domain is not the host this page came from. */
  readonly user: string
  readonly password: string
}

export interface AccountObserver {
  /** `text` says why, for `reconnecting` and `failed`. */
  onRegistration(state: RegistrationState, text: string): void
  onInvitation(invitation: Invitation): void
}

/** Where an account lives. */
export interface Place {
  /** Of a user who names none. */
  readonly domain: string
  readonly webSocketUrl: string
  /** UUID of the device (RFC 5626 §4.1). */
  readonly instance: string
  /** Tells `online`. */
  readonly network: Source
  readonly descriptions: SessionDescriptionHandlerFactory
}

/** The gateway hands out at most this; refreshed at three quarters of it, well before the binding ends. */
const EXPIRES_S = 300
const REFRESH_PERCENT = 75
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
/** Of what was good before and is refused now: each try counts as a guess at the password. */
const FIRST_REFUSED_RETRY_MS = 15_000
const MAX_REFUSED_RETRY_MS = 300_000
const ICE_GATHERING_TIMEOUT_MS = 500
/** A TURN server has to be asked twice before it gives an address. */
const RELAY_GATHERING_TIMEOUT_MS = 3_000

/** Percent-encodes what a SIP user part may not hold as it is (RFC 3261 §25.1). */
const escapeUser = (user: string): string =>
  encodeURIComponent(user).replace(/%(2B|2C|3B|3F|2F|24|26|3D)/g, decodeURIComponent)

const sipUri = (user: string, domain: string): URI => {
  const uri = UserAgent.makeURI(`sip:${escapeUser(user)}@${domain}`)
  if (uri === undefined) throw new Error(`“${user}” is not a SIP address`)
  return uri
}

/**
 * One signed-in user: keeps the WebSocket connected and the registration alive until `close()`. A user that is refused before the first
 * registration is not signed in (`failed`); everything else is tried again with growing pauses, and ends no call.
 */
export class Account {
  readonly #observer: AccountObserver
  readonly #domain: string
  readonly #agent: UserAgent
  readonly #registerer: ToldRegisterer
  /** SIP.js looks at these for each call. The gateway is reachable by itself; it names a TURN server where it has one. */
  readonly #callOptions: {
    iceGatheringTimeout: number
    peerConnectionConfiguration: { iceServers: readonly IceServer[]; readonly bundlePolicy: 'max-bundle' }
  } = {
    iceGatheringTimeout: ICE_GATHERING_TIMEOUT_MS,
    peerConnectionConfiguration: { iceServers: [], bundlePolicy: 'max-bundle' },
  }
  #relayTimer: ReturnType<typeof setTimeout> | undefined
  #ladderTicket: string | undefined
  #retryMs = FIRST_RETRY_MS
  #refusedRetryMs = FIRST_REFUSED_RETRY_MS
  #retryTimer: ReturnType<typeof setTimeout> | undefined
  readonly #stop = new AbortController()
  #isClosed = false
  #wasRegistered = false

  /** Throws when the user is not a SIP address. */
  constructor(credentials: Credentials, observer: AccountObserver, place: Place) {
    const { name, domain = place.domain } = splitUser(credentials.user.trim())
    this.#observer = observer
    this.#domain = domain
    this.#agent = new UserAgent({
      uri: sipUri(name, domain),
      authorizationUsername: name,
      authorizationPassword: credentials.password,
      instanceId: place.instance,
      instanceIdAlwaysAdded: true,
      transportOptions: {
        server: place.webSocketUrl,
        traceSip: false,
      },
      sessionDescriptionHandlerFactory: place.descriptions,
      sessionDescriptionHandlerFactoryOptions: this.#callOptions,
      logBuiltinEnabled: false,
      delegate: {
        onDisconnect: (error) => {
          if (error !== undefined) this.#retry('The connection to the gateway was lost.')
        },
        onInvite: (invitation) => observer.onInvitation(invitation),
      },
    })
    this.#registerer = new ToldRegisterer(
      this.#agent,
      { expires: EXPIRES_S, refreshFrequency: REFRESH_PERCENT },
      {
        onAccept: (response) => this.#onAccept(response),
        onReject: (response) => this.#onReject(response),
      },
    )
    this.#registerer.stateChange.addListener((state) => this.#onRegistererState(state))
    // What the browser had open on the network before is gone or going; waiting would only cost time.
    place.network.addEventListener('online', () => this.#onOnline(), { signal: this.#stop.signal })
  }

  open(): void {
    this.#observer.onRegistration('connecting', '')
    this.#agent.start().then(
      () => this.#register(),
      () => this.#retry('The gateway cannot be reached.'),
    )
  }

  /** Not yet sent: the caller sets delegates and calls `invite()`. Throws when the number is not a SIP address. */
  inviterFor(target: string): Inviter {
    return new Inviter(this.#agent, this.uriFor(target), { earlyMedia: true })
  }

  /** The address of a name or number. Throws when it cannot be one. */
  uriFor(target: string): URI {
    const { name, domain = this.#domain } = splitUser(target)
    return sipUri(name, domain)
  }

  /** Lets us ask the gateway about our own calls; undefined before the first registration. */
  get ladderTicket(): string | undefined {
    return this.#ladderTicket
  }

  /** Ends calls, unregisters, disconnects. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stop.abort()
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#relayTimer)
    // It says goodbye to a server that may be gone; the page is signed out either way.
    await this.#agent.stop().catch(() => undefined)
  }

  #register(): void {
    this.#registerer.register().catch(() => this.#retry('The registration could not be sent.'))
  }

  /** Not by the registerer's state: that stays Registered over a lost connection, and then does not change. */
  #onAccept({ message }: IncomingResponse): void {
    if (this.#isClosed) return
    this.#wasRegistered = true
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    this.#useRelays(message.getHeader('X-Ice-Servers'))
    this.#ladderTicket = message.getHeader('X-Ladder-Ticket') ?? this.#ladderTicket
    this.#retryMs = FIRST_RETRY_MS
    this.#refusedRetryMs = FIRST_REFUSED_RETRY_MS
    this.#observer.onRegistration('registered', '')
  }

  /** The credentials may end before the binding is refreshed: so we register again in time. */
  #useRelays(header: string | undefined): void {
    clearTimeout(this.#relayTimer)
    const relays = parseIceServers(header)
    this.#callOptions.peerConnectionConfiguration.iceServers = [...(relays?.iceServers ?? [])]
    this.#callOptions.iceGatheringTimeout =
      relays === undefined ? ICE_GATHERING_TIMEOUT_MS : RELAY_GATHERING_TIMEOUT_MS
    if (relays === undefined) return
    this.#relayTimer = setTimeout(() => this.#register(), relays.lifetimeS * 500)
  }

  /** An answer that SIP.js could not use, or none, is told in no other way. */
  #onRegistererState(state: RegistererState): void {
    if (state !== RegistererState.Unregistered) return
    // A refusal is told right after this, and what becomes of it is known then.
    queueMicrotask(() => {
      if (this.#isClosed || this.#retryTimer !== undefined || !this.#agent.isConnected()) return
      this.#retry('The gateway ended the registration.')
    })
  }

  #onReject({ message }: IncomingResponse): void {
    if (this.#isClosed) return
    const reasons = message.getHeaders('Reason')
    const text = failureText({ status: message.statusCode, phrase: message.reasonPhrase ?? '', reasons })
    const status = message.statusCode ?? 0
    // Barred for wrong passwords: only the person can give another one.
    const isBarred = !this.#wasRegistered && parseReasons(reasons).some(({ text }) => text === 'sip.barred')
    const isRefused = isBarred || status === 401 || status === 403 || status === 404 || status === 407
    if (!isRefused) {
      this.#retry(text ?? '', retryAfterMs(message.getHeader('Retry-After')))
      return
    }
    // Another try with a password that was never right would only lock the account.
    if (!this.#wasRegistered) {
      this.#observer.onRegistration('failed', text ?? '')
      void this.close()
      return
    }
    this.#retry(text ?? '', this.#refusedRetryMs)
    this.#refusedRetryMs = Math.min(MAX_REFUSED_RETRY_MS, this.#refusedRetryMs * 2)
  }

  #onOnline(): void {
    if (this.#agent.isConnected() || this.#retryTimer === undefined) return
    clearTimeout(this.#retryTimer)
    this.#retryMs = FIRST_RETRY_MS
    this.#reconnect()
  }

  #retry(text: string, leastMs = 0): void {
    if (this.#isClosed) return
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#relayTimer)
    this.#observer.onRegistration('reconnecting', text)
    this.#retryTimer = setTimeout(() => this.#reconnect(), Math.max(leastMs, this.#retryMs))
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2)
  }

  #reconnect(): void {
    this.#retryTimer = undefined
    if (this.#agent.isConnected()) {
      this.#register()
      return
    }
    this.#agent.reconnect().then(
      () => this.#register(),
      () => this.#retry('The gateway cannot be reached.'),
    )
  }
}

const splitUser = (user: string): { readonly name: string; readonly domain?: string } => {
  const at = user.lastIndexOf('@')
  return at < 0 ? { name: user } : { name: user.slice(0, at), domain: user.slice(at + 1) }
}

/** RFC 3261 §20.33; a gateway that asks for more than we would ever wait does not get it. */
const retryAfterMs = (header: string | undefined): number => {
  const seconds = Number.parseInt(header ?? '', 10)
  return seconds > 0 ? Math.min(MAX_REFUSED_RETRY_MS, seconds * 1_000) : 0
}
