import type { Log } from '../../config/logging.ts'
import type { Flow } from '../../sip/flow.ts'
import { contacts } from '../../sip/message/headers.ts'
import type { SipRequest, Uri } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import { areEqualUris } from '../../sip/message/uri.ts'
import { deviceOf } from '../../sip/registration/location.ts'
import type { ForeignRequest, SipEnvironment, UserAgent } from '../../sip/user-agent.ts'
import { verdictOf } from '../diagnosis.ts'
import { refusalHeaders } from '../failure.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Refusals } from '../refusals.ts'
import type { Device, Registered, Registrar } from '../registration/registrar.ts'
import type { Relay } from '../relay/relay.ts'

export interface HomesOptions {
  readonly userAgent: UserAgent
  readonly relay: Relay
  readonly registration: Pick<Registrar, 'authenticateCaller' | 'bindingsOf'>
  readonly environment: SipEnvironment
  readonly log: Log
  readonly refusals: Refusals
  /** How long a call that talks goes on without the connection of its browser. */
  readonly lostConnectionS: number
}

/**
 * How long a call that rings, at the caller's or at the callee's, and a BYE that was not heard wait for a browser that has
 * lost its connection: a little longer than browsers take to open another one.
 */
export const RINGING_GRACE_MS = 20_000

/** How long the connection that a device had before may take to show that it lives. */
const PROBE_MS = 5_000

/** Devices of one user that are remembered to have been at one flow; browsers have one. */
const MAX_DEVICES_PER_FLOW = 16

/** The users registered by a flow: each user's devices, and where they said they are. */
type Devices = ReadonlyMap<string, ReadonlyMap<string, Uri>>

interface Lost {
  readonly flow: Flow
  readonly devices: Devices
  readonly cancel: () => void
}

/**
 * Where the calls and subscriptions of browsers are at home. When a device comes back by another connection, what it had on
 * the old one goes on there. Two things must be proven, both by a REGISTER or by credentials of the request itself: that it
 * is the same user, and the same device. To know the Call-ID and tags of somebody else's call is worth nothing.
 *
 * A device is its `+sip.instance`; one that names none is its Contact URI, as in the location store.
 */
export class Homes {
  readonly #options: HomesOptions
  /** By flow id, of connections that are open. */
  readonly #devices = new Map<string, Map<string, Map<string, Uri>>>()
  /** By flow id, of connections that are closed and had something to wait for. */
  readonly #lost = new Map<string, Lost>()
  #isClosed = false

  constructor(options: HomesOptions) {
    this.#options = options
  }

  /** Sizes of all tables. */
  tables(): Readonly<Record<string, number>> {
    return { lostConnections: this.#lost.size }
  }

  /** A device is here now. */
  registered({ user, flow, bound, superseded }: Registered): void {
    for (const binding of bound) {
      this.#remember(user, binding)
      const device = deviceOf(binding)
      for (const lost of [...this.#lost.values()]) {
        if (lost.devices.get(user)?.has(device) === true)
          this.#move(lost.flow, flow, user, binding.contact.uri)
      }
    }
    // Often the old connection is dead and nobody has noticed. Where it lives, it is a page opened twice, and keeps its calls.
    for (const { flow: old } of superseded) if (old.isOpen) old.probe?.(PROBE_MS)
  }

  /** After `Registration.flowClosed`. */
  flowClosed(flow: Flow): void {
    const devices = this.#devices.get(flow.id) ?? new Map()
    this.#devices.delete(flow.id)
    if (this.#uses(flow) === 0) return
    if (this.#isClosed) {
      this.#options.userAgent.forsake(flow, 'all')
      return
    }
    const lost = { flow, devices, cancel: this.#scheduleEnd(flow) }
    this.#lost.set(flow.id, lost)
    for (const [user, own] of devices) {
      const other = this.#options.registration
        .bindingsOf(user)
        .find((binding) => own.has(deviceOf(binding)) && binding.flow.id !== flow.id)
      if (other !== undefined) this.#move(flow, other.flow, user, other.contact.uri)
    }
  }

  /** A request for a dialog of another flow: answered in every case, or handled in its dialog. Never throws. */
  onForeign(foreign: ForeignRequest): void {
    let user: string | undefined
    try {
      const { request, flow, respond, party, home } = foreign
      user = this.#options.registration.authenticateCaller({ request, flow, reject: respond })
      if (user === undefined) return
      if (party !== `user:${user}`) throw new GatewayFailure('call.dialog-lost')
      const contact = this.#provenContact(user, foreign)
      if (contact === undefined) throw new GatewayFailure('call.other-device')
      this.#move(home, flow, user, contact)
      foreign.resume()
    } catch (error) {
      const verdict = verdictOf(error)
      const { callId, method } = foreign.request
      const source = foreign.flow.remote.address
      this.#options.refusals.tell('request refused', {
        verdict,
        error,
        fields: { callId, method, source },
        party: user === undefined ? undefined : `user:${user}`,
      })
      foreign.respond(verdict.status, { headers: refusalHeaders(verdict) })
    }
  }

  /** Nobody is waited for any more, whenever a connection closes. */
  close(): void {
    this.#isClosed = true
    for (const { flow } of [...this.#lost.values()]) {
      this.#options.userAgent.forsake(flow, 'all')
      this.#forget(flow)
    }
  }

  /** Where a device of this user that had the flow `home` is, when it is at the other end of the request's too. */
  #provenContact(user: string, { home, flow, request }: ForeignRequest): Uri | undefined {
    const had = (this.#devices.get(home.id) ?? this.#lost.get(home.id)?.devices)?.get(user)
    const has = this.#devices.get(flow.id)?.get(user)
    for (const [device, contact] of had ?? []) {
      if (has?.has(device) === true || names(request, device, contact)) return contact
    }
    return undefined
  }

  #remember(user: string, binding: Device): void {
    const { id } = binding.flow
    const users = this.#devices.get(id) ?? new Map<string, Map<string, Uri>>()
    const own = users.get(user) ?? new Map<string, Uri>()
    // One that registered and signed off again and again is forgotten, the oldest first.
    const [oldest] = own.keys()
    if (own.size >= MAX_DEVICES_PER_FLOW && !own.has(deviceOf(binding)) && oldest !== undefined)
      own.delete(oldest)
    this.#devices.set(id, users.set(user, own.set(deviceOf(binding), binding.contact.uri)))
  }

  #move(from: Flow, to: Flow, user: string, contact: Uri): void {
    const { userAgent, relay, log } = this.#options
    const before = this.#uses(from)
    userAgent.rehome(from, to, `user:${user}`, contact)
    relay.rehome(from, to, user)
    if (this.#uses(from) < before) log.info('connection replaced', { user, from: ends(from), to: ends(to) })
    if (this.#uses(from) === 0) this.#forget(from)
  }

  #scheduleEnd(flow: Flow): () => void {
    const { userAgent, environment, lostConnectionS, log } = this.#options
    const nowMs = environment.nowMs()
    const stopRinging = environment.schedule(nowMs + RINGING_GRACE_MS, () => {
      userAgent.forsake(flow, 'not-talking')
      if (this.#uses(flow) === 0) this.#forget(flow)
    })
    let stopTalking = (): void => {}
    const endTalking = (atMs: number): void => {
      stopTalking = environment.schedule(atMs, () => {
        if (this.#uses(flow) > 0) log.warn('connection did not come back', { source: ends(flow) })
        userAgent.forsake(flow, 'not-vital')
        // An emergency call goes on; once it has ended, its BYE is not waited with for ever.
        if (userAgent.usesOf(flow) > 0) endTalking(atMs + lostConnectionS * 1_000)
        else this.#forget(flow)
      })
    }
    endTalking(nowMs + lostConnectionS * 1_000)
    return () => {
      stopRinging()
      stopTalking()
    }
  }

  #forget(flow: Flow): void {
    this.#lost.get(flow.id)?.cancel()
    this.#lost.delete(flow.id)
  }

  #uses(flow: Flow): number {
    return this.#options.userAgent.usesOf(flow) + this.#options.relay.usesOf(flow)
  }
}

/** Whether the Contact of a request is that device: its instance, or the address it registered. */
function names(request: SipRequest, device: string, registered: Uri): boolean {
  const list = readable(() => contacts(request)) ?? []
  const [contact] = list === '*' ? [] : list
  if (contact === undefined) return false
  return contact.parameters.get('+sip.instance') === device || areEqualUris(contact.uri, registered)
}

const ends = ({ remote }: Flow): string => `${remote.address}:${remote.port}`
