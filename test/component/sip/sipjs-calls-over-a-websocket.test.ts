import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Invitation,
  Inviter,
  type Session,
  type SessionDescriptionHandler,
  SessionState,
  SIPExtension,
  UserAgent as SipJs,
} from 'sip.js/lib/api/index.js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { systemEnvironment } from '../../../gateway/environment.ts'
import type { Flow } from '../../../sip/flow.ts'
import { parseNameAddr } from '../../../sip/message/name-addr.ts'
import { WebSocketTransport } from '../../../sip/transport/wss.ts'
import { Phone, sdp } from '../../harness/sip/phone.ts'

// SIP.js is the phone of the page and knows nothing of this stack: each understands the other, or a test fails.

class OpaqueDescription implements SessionDescriptionHandler {
  readonly heard: string[] = []
  close(): void {}
  hasDescription(contentType: string): boolean {
    return contentType === 'application/sdp'
  }
  getDescription() {
    return Promise.resolve({ body: 'from SIP.js', contentType: 'application/sdp' })
  }
  setDescription(text: string): Promise<void> {
    this.heard.push(text)
    return Promise.resolve()
  }
  sendDtmf(): boolean {
    return false
  }
}

const closers: (() => unknown)[] = []
beforeEach(() => {
  vi.stubGlobal('WebSocket', WebSocket)
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  vi.unstubAllGlobals()
})

async function connected() {
  const server = createServer()
  const flows: Flow[] = []
  const phone = new Phone(systemEnvironment, {
    onInvite: (invite, self) => {
      const { user } = invite.request.uri
      if (user === 'early') invite.progress(183, { reliable: true, body: sdp('answer') })
      else invite.progress(180)
      if (user !== 'rings') self.answer(invite)
    },
    onReinvite: (reinvite) => reinvite.accept({ body: sdp('again') }),
    onDialogRequest: (request) => request.respond(200),
  })
  const transport = new WebSocketTransport({
    origins: [],
    token: () => 'flow',
    handler: {
      onOpen: (flow) => flows.push(flow),
      onMessage: (bytes, flow) => phone.agent.receive(bytes, flow),
      onClose: (flow) => phone.agent.flowClosed(flow),
    },
  })
  transport.attach(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const invitations: Invitation[] = []
  const descriptions: OpaqueDescription[] = []
  const uri = SipJs.makeURI('sip:alice@gateway.example')
  const client = new SipJs({
    ...(uri === undefined ? {} : { uri }),
    transportOptions: { server: `ws://127.0.0.1:${port}` },
    logBuiltinEnabled: false,
    sipExtension100rel: SIPExtension.Supported,
    sessionDescriptionHandlerFactory: () => {
      const description = new OpaqueDescription()
      descriptions.push(description)
      return description
    },
    delegate: { onInvite: (invitation) => invitations.push(invitation) },
  })
  await client.start()
  closers.push(async () => {
    await client.stop()
    phone.agent.close()
    transport.close()
    server.close()
  })
  const [flow] = flows
  if (flow === undefined) throw new Error('no flow')
  const inviter = (user: string): Inviter => {
    const target = SipJs.makeURI(`sip:${user}@gateway.example`)
    if (target === undefined) throw new Error('no target')
    return new Inviter(client, target)
  }
  return { phone, flow, inviter, invitations, descriptions }
}

const reaches = (session: Session, state: SessionState): Promise<void> =>
  vi.waitFor(() => expect(session.state).toBe(state), { timeout: 10_000, interval: 5 })
const says = (phone: Phone, ...diary: readonly string[]): Promise<void> =>
  vi.waitFor(() => expect(phone.diary).toEqual(diary), { timeout: 10_000, interval: 5 })

test('SIP.js calls, re-invites, sends INFO and hangs up', async () => {
  const { phone, inviter, descriptions } = await connected()
  const session = inviter('answers')
  await session.invite()
  await reaches(session, SessionState.Established)
  await says(phone, 'invite', 'ack')
  expect(descriptions[0]?.heard).toEqual(['answer'])
  await session.invite()
  await says(phone, 'invite', 'ack', 'reinvite INVITE')
  await vi.waitFor(() => expect(descriptions[0]?.heard).toEqual(['answer', 'again']), { timeout: 10_000 })
  await session.info()
  await says(phone, 'invite', 'ack', 'reinvite INVITE', 'inside INFO')
  await session.bye()
  await says(phone, 'invite', 'ack', 'reinvite INVITE', 'inside INFO', 'end bye')
  expect(phone.errors).toEqual([])
  expect(phone.agent.tables()).toMatchObject({ dialogs: 0 })
})

test('SIP.js acknowledges our reliable 183, which the 200 waits for', async () => {
  const { phone, inviter, descriptions } = await connected()
  const session = inviter('early')
  await session.invite()
  await reaches(session, SessionState.Established)
  await says(phone, 'invite', 'ack')
  expect(descriptions[0]?.heard).toEqual(['answer'])
  await session.bye()
  await says(phone, 'invite', 'ack', 'end bye')
  expect(phone.agent.counters()).not.toHaveProperty('prack-timeout')
})

test('we acknowledge a reliable 183 of SIP.js', async () => {
  const { phone, flow, invitations } = await connected()
  call(phone, flow)
  await vi.waitFor(() => expect(invitations).toHaveLength(1), { timeout: 10_000 })
  const [invitation] = invitations
  await invitation?.progress({ rel100: true, statusCode: 183 })
  await says(phone, 'progress 180', 'progress 183')
  await invitation?.accept()
  await says(phone, 'progress 180', 'progress 183', 'accept 200')
  phone.dialogs[0]?.bye()
})

test('SIP.js calls and gives up while it rings', async () => {
  const { phone, inviter } = await connected()
  const session = inviter('rings')
  await session.invite()
  await reaches(session, SessionState.Establishing)
  await session.cancel()
  await reaches(session, SessionState.Terminated)
  await says(phone, 'invite', 'cancel CANCEL')
})

test('SIP.js is called, answers, is re-invited and hung up on', async () => {
  const { phone, flow, invitations } = await connected()
  call(phone, flow)
  await vi.waitFor(() => expect(invitations).toHaveLength(1), { timeout: 10_000 })
  const [invitation] = invitations
  if (invitation === undefined) throw new Error('no invitation')
  await invitation.accept()
  await reaches(invitation, SessionState.Established)
  await vi.waitFor(() => expect(phone.diary.at(-1)).toBe('accept 200'), { timeout: 10_000 })
  const reinvite = async () => {
    phone.dialogs[0]?.reinvite({ body: sdp('hold') }, phone.note)
    await vi.waitFor(() => expect(phone.diary.at(-1)).toMatch(/^done/), { timeout: 10_000 })
    return phone.diary.pop()
  }
  // While SIP.js is still taking the ACK in, it answers 500 with Retry-After (RFC 3261 §14.2).
  await vi.waitFor(async () => expect(await reinvite()).toBe('done 200'), { timeout: 10_000 })
  phone.dialogs[0]?.bye()
  await reaches(invitation, SessionState.Terminated)
  await vi.waitFor(() => expect(phone.agent.tables()).toMatchObject({ dialogs: 0 }), { timeout: 10_000 })
  expect(phone.errors).toEqual([])
})

test('SIP.js is called, and the caller gives up or SIP.js declines', async () => {
  const { phone, flow, invitations } = await connected()
  const first = call(phone, flow)
  await vi.waitFor(() => expect(phone.diary).toContain('progress 180'), { timeout: 10_000 })
  first.cancel()
  await vi.waitFor(() => expect(phone.diary.at(-1)).toBe('reject 487'), { timeout: 10_000 })
  call(phone, flow)
  await vi.waitFor(() => expect(invitations).toHaveLength(2), { timeout: 10_000 })
  await invitations[1]?.reject({ statusCode: 603 })
  await vi.waitFor(() => expect(phone.diary.at(-1)).toBe('reject 603'), { timeout: 10_000 })
})

function call(phone: Phone, flow: Flow) {
  const to = parseNameAddr('<sip:alice@gateway.example>')
  return phone.call(flow, { body: sdp('offer'), to })
}
