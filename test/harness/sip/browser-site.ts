import type { Flow } from '../../../sip/flow.ts'
import type { IncomingInvite } from '../../../sip/user-agent.ts'
import { Link } from './link.ts'
import { Phone, type PhoneOptions, sdp } from './phone.ts'
import { VirtualClock } from './virtual-clock.ts'

export const PARTY = 'user:alice'

/** A browser, and the gateway that it reaches by one connection after the other. */
export function site(gatewayOptions: PhoneOptions = {}, browserOptions: PhoneOptions = {}) {
  const clock = new VirtualClock()
  const gateway = new Phone(clock, {
    ...gatewayOptions,
    onInvite: (invite, self) => {
      invite.party = PARTY
      ;(gatewayOptions.onInvite ?? answers)(invite, self)
    },
  })
  const browser = new Phone(clock, { onInvite: answers, ...browserOptions })
  let wire = new Link(clock)
  /** A browser has one transport, whatever connection is behind it. */
  const flow: Flow = {
    ...wire.a.flow,
    transport: 'wss',
    isOpen: true,
    send: (bytes) => wire.a.flow.send(bytes),
  }
  const connect = (): Link => {
    wire = new Link(clock, { transport: 'wss', scope: `ws:${clock.token()}` })
    wire.connect({ receive: (bytes) => browser.agent.receive(bytes, flow) }, gateway.agent)
    return wire
  }
  const lose = (wire: Link): void => {
    wire.cut()
    gateway.agent.flowClosed(wire.b.flow)
  }
  const find = (from: Link, to: Link, party = PARTY): void =>
    gateway.agent.rehome(from.b.flow, to.b.flow, party, undefined)
  return { clock, gateway, browser, flow, connect, lose, find }
}

export const answers = (invite: IncomingInvite, phone: Phone): void => {
  phone.answer(invite)
}
export const rings = (invite: IncomingInvite): void => invite.progress(180)
export const agrees: PhoneOptions = { onReinvite: (reinvite) => reinvite.accept({ body: sdp('answer') }) }

/** The same after the gateway has called and the browser has answered. */
export function browserCall(gatewayOptions: PhoneOptions = {}, browserOptions: PhoneOptions = {}) {
  const made = site(gatewayOptions, browserOptions)
  const old = made.connect()
  made.gateway.call(old.b.flow, { body: sdp('offer'), party: PARTY })
  made.clock.advance(100)
  const [ofGateway] = made.gateway.dialogs
  const [ofBrowser] = made.browser.dialogs
  if (ofGateway === undefined || ofBrowser === undefined) throw new Error('the call was not made')
  made.gateway.diary.length = 0
  made.browser.diary.length = 0
  return { ...made, old, ofGateway, ofBrowser }
}
