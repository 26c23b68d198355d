import type { Invitation, SessionDescriptionHandler } from 'sip.js'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Account, type RegistrationState } from '../../../../gateway/pages/account.ts'
import { formatSipText, headerOf, headersOf, parseSipText, type SipText } from '../../../harness/sip-text.ts'

/** Status line and further headers of the answer to a REGISTER. */
interface Answer {
  readonly line: string
  readonly headers?: SipText['headers']
}

/** The registrar behind the WebSocket of the page: what it answers is said by the test. */
class Registrar {
  readonly requests: SipText[] = []
  /** All else that the page sends. */
  readonly others: SipText[] = []
  answer: Answer = { line: '200 OK' }

  answerTo(text: string): string | undefined {
    const request = parseSipText(text)
    if (!request.startLine.startsWith('REGISTER ')) {
      this.others.push(request)
      return undefined
    }
    this.requests.push(request)
    const { line, headers = [] } = this.answer
    const copied = ['Via', 'From', 'Call-ID', 'CSeq'].flatMap((name) =>
      headersOf(request, name).map((value): readonly [string, string] => [name, value]),
    )
    return formatSipText({
      startLine: `SIP/2.0 ${line}`,
      headers: [
        ...copied,
        ['To', `${headerOf(request, 'To')};tag=registrar`],
        ...(line.startsWith('200') ? [['Contact', headerOf(request, 'Contact')] as const] : []),
        ...headers,
      ],
      body: '',
    })
  }
}

/** As SIP.js uses a browser's. */
class Socket extends EventTarget {
  static registrar: Registrar
  static newest: Socket
  constructor() {
    super()
    Socket.newest = this
    queueMicrotask(() => this.dispatchEvent(new Event('open')))
  }

  send(text: string): void {
    const answer = Socket.registrar.answerTo(text)
    if (answer !== undefined) setTimeout(() => this.deliver(answer), 10)
  }

  deliver(text: string): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: text }))
  }

  close(): void {
    setTimeout(() => this.dispatchEvent(Object.assign(new Event('close'), { code: 1000, reason: '' })))
  }
}

const SDP = 'v=0\r\n'

/** Agrees to whatever is offered. */
const DESCRIPTION: SessionDescriptionHandler = {
  close: () => undefined,
  getDescription: async () => ({ body: SDP, contentType: 'application/sdp' }),
  hasDescription: () => true,
  setDescription: async () => undefined,
  sendDtmf: () => false,
}

/** Three quarters of the 300 s that the page asks for. */
const REFRESH_MS = 225_000

describe('the account of the page', () => {
  let registrar: Registrar
  let told: (readonly [RegistrationState, string])[]
  let account: Account
  let invitations: Invitation[]

  const states = (): readonly RegistrationState[] => told.map(([state]) => state)
  const ticket = (value: string): Answer => ({ line: '200 OK', headers: [['X-Ladder-Ticket', value]] })
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  const open = async (answer: Answer = registrar.answer): Promise<void> => {
    registrar.answer = answer
    account.open()
    await pass(100)
  }

  beforeEach(() => {
    vi.useFakeTimers()
    registrar = new Registrar()
    Socket.registrar = registrar
    vi.stubGlobal('WebSocket', Socket)
    told = []
    invitations = []
    account = new Account(
      { user: 'alice', password: 'open sesame' },
      {
        onRegistration: (state, text) => void told.push([state, text]),
        onInvitation: (invitation) => void invitations.push(invitation),
      },
      {
        domain: 'webtrunk.test',
        webSocketUrl: 'wss://webtrunk.test/sip',
        instance: '3a1c2f40-0000-4000-8000-000000000001',
        network: new EventTarget(),
        descriptions: () => DESCRIPTION,
      },
    )
  })
  afterEach(async () => {
    const closed = account.close()
    await pass(60_000)
    await closed
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  test('has a new ticket after each refresh', async () => {
    await open(ticket('first'))
    expect(states()).toEqual(['connecting', 'registered'])
    expect(account.ladderTicket).toBe('first')
    registrar.answer = ticket('second')
    await pass(REFRESH_MS)
    expect(registrar.requests).toHaveLength(2)
    expect(account.ladderTicket).toBe('second')
    registrar.answer = ticket('third')
    await pass(REFRESH_MS)
    expect(account.ladderTicket).toBe('third')
    expect(new Set(states().slice(1))).toEqual(new Set(['registered']))
  })

  test.each(['401 Unauthorized', '403 Forbidden', '404 Not Found'])(
    'that is refused with %s at first is not signed in, and does not try again',
    async (line) => {
      await open({ line })
      expect(states()).toEqual(['connecting', 'failed'])
      await pass(600_000)
      expect(registrar.requests).toHaveLength(1)
    },
  )

  test('that is barred for wrong passwords may be given another one', async () => {
    const barred: Answer = {
      line: '503 Service Unavailable',
      headers: [
        ['Retry-After', '10'],
        ['Reason', 'SIP;cause=503;text="sip.barred"'],
      ],
    }
    await open(barred)
    expect(told.at(-1)).toEqual(['failed', expect.stringMatching(/^Too many wrong passwords from here/)])
    await pass(600_000)
    expect(registrar.requests).toHaveLength(1)
  })

  test('that is barred later, for the passwords of others, tries again', async () => {
    await open()
    const headers = [['Reason', 'SIP;cause=503;text="sip.barred"']] as const
    registrar.answer = { line: '503 Service Unavailable', headers }
    await pass(REFRESH_MS)
    expect(states()).toEqual(['connecting', 'registered', 'reconnecting'])
    registrar.answer = { line: '200 OK' }
    await pass(1_500)
    expect(states().at(-1)).toBe('registered')
  })

  test.each(['401 Unauthorized', '403 Forbidden', '404 Not Found'])(
    'that is refused with %s later stays open, and tries again with growing pauses',
    async (line) => {
      await open()
      registrar.answer = { line }
      await pass(REFRESH_MS)
      expect(states()).toEqual(['connecting', 'registered', 'reconnecting'])
      expect(told.at(-1)?.[1]).toContain(line)
      expect(registrar.requests).toHaveLength(2)
      // 15, 30, 60, 120, 240 s; 300 s from then on.
      await pass(470_000)
      expect(registrar.requests).toHaveLength(7)
      await pass(600_000)
      expect(registrar.requests).toHaveLength(9)
      expect(states()).not.toContain('failed')
      registrar.answer = { line: '200 OK' }
      await pass(300_000)
      expect(states().at(-1)).toBe('registered')
      await pass(200_000)
      expect(registrar.requests, 'no other try is left').toHaveLength(10)
    },
  )

  test('that is refused later does not end its call', async () => {
    await open()
    const uri = /<([^>]+)>/.exec(headerOf(registrar.requests[0] as SipText, 'Contact'))?.[1]
    const request = (method: string, to: string, body: string): string =>
      formatSipText({
        startLine: `${method} ${uri} SIP/2.0`,
        headers: [
          ['Via', `SIP/2.0/WS gateway.invalid;branch=z9hG4bK${method}`],
          ['From', '<sip:bob@webtrunk.test>;tag=bob'],
          ['To', to],
          ['Call-ID', 'call-of-bob'],
          ['CSeq', `1 ${method}`],
          ['Max-Forwards', '70'],
          ['Contact', '<sip:gateway.invalid;transport=ws>'],
          ['Content-Type', 'application/sdp'],
        ],
        body,
      })
    Socket.newest.deliver(request('INVITE', '<sip:alice@webtrunk.test>', SDP))
    await pass(100)
    const [call] = invitations
    await call?.accept()
    const accepted = registrar.others.find(({ startLine }) => startLine === 'SIP/2.0 200 OK')
    Socket.newest.deliver(request('ACK', headerOf(accepted as SipText, 'To'), ''))
    await pass(100)
    expect(call?.state).toBe('Established')

    registrar.answer = { line: '403 Forbidden' }
    await pass(REFRESH_MS + 600_000)
    expect(states().at(-1)).toBe('reconnecting')
    expect(call?.state).toBe('Established')
    expect(registrar.others.filter(({ startLine }) => startLine.startsWith('BYE '))).toEqual([])
  })

  test('waits for as long as a busy gateway asks', async () => {
    await open()
    registrar.answer = { line: '503 Service Unavailable', headers: [['Retry-After', '10']] }
    await pass(REFRESH_MS)
    expect(states().at(-1)).toBe('reconnecting')
    registrar.answer = { line: '200 OK' }
    await pass(9_000)
    expect(registrar.requests).toHaveLength(2)
    await pass(1_500)
    expect(registrar.requests).toHaveLength(3)
    expect(states().at(-1)).toBe('registered')
  })

  test('registers again when an answer was of no use', async () => {
    await open()
    registrar.answer = { line: '423 Interval Too Brief' }
    await pass(REFRESH_MS)
    expect(told.at(-1)).toEqual(['reconnecting', 'The gateway ended the registration.'])
    registrar.answer = { line: '200 OK' }
    await pass(1_500)
    expect(states().at(-1)).toBe('registered')
  })
})
