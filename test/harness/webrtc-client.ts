import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { answerDigest } from './digest-answer.ts'
import {
  branchOf,
  formatSipText,
  headerOf,
  headersOf,
  methodOf,
  parseSipText,
  type SipText,
  statusOf,
} from './sip-text.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'
import { WebrtcCall, type WebrtcCallOptions } from './webrtc-call.ts'

const token = (): string => randomBytes(8).toString('hex')

/** The last challenge, as SIP.js and JsSIP choose (both know MD5 only). */
const credentialsFor = (
  response: SipText,
  method: string,
  uri: string,
  user: string,
  password: string,
): string | undefined =>
  headersOf(response, 'WWW-Authenticate')
    .map((challenge) => answerDigest({ challenge, method, uri, user, password }))
    .at(-1)

/** A request as it is to be sent; the client adds Via and Max-Forwards. */
export interface OutgoingText {
  readonly method: string
  readonly uri: string
  readonly to: string
  readonly from: string
  readonly callId: string
  readonly number: number
  readonly headers: SipText['headers']
  readonly body: string
}

type OnResponse = (response: SipText) => void

/**
 * A browser softphone without a browser: SIP over a WebSocket as SIP.js speaks it, and G.711 over WebRTC. Makes interop
 * tests fast; the browsers themselves prove the rest.
 *
 *     const alice = await WebrtcClient.connect(daemon.webSocketUrl, 'alice', password)
 *     await alice.register()
 *     const call = await alice.call('tone', { toneHz: 1000 })
 *     await call.waitForTone(440)
 *     await call.hangUp()
 */
export class WebrtcClient {
  readonly user: string
  readonly #password: string
  readonly #socket: WebSocket
  readonly #host = `${token()}.invalid`
  readonly #responses = new Map<string, OnResponse>()
  readonly #calls = new Map<string, WebrtcCall>()
  readonly #invitations: WebrtcCall[] = []
  readonly #registrationCallId = token()
  readonly #log: string[] = []
  #number = 0

  /** `localAddress`: where the connection begins; `origin`: of the page it would be. */
  static async connect(
    url: string,
    user: string,
    password: string,
    options: { readonly localAddress?: string; readonly origin?: string } = {},
  ): Promise<WebrtcClient> {
    const socket = new WebSocket(url, 'sip', { rejectUnauthorized: false, ...options })
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    return new WebrtcClient(socket, user, password)
  }

  private constructor(socket: WebSocket, user: string, password: string) {
    this.#socket = socket
    this.user = user
    this.#password = password
    socket.on('message', (data) => this.#onMessage(String(data)))
    socket.on('error', () => undefined)
  }

  get contact(): string {
    return `<sip:${this.user}@${this.#host};transport=ws>`
  }

  /** Every message in and out. */
  get log(): string {
    return this.#log.join('\n')
  }

  /** The final response, after answering the challenge. Throws when it is no 200 and `expected` says nothing else. */
  async register(expires = 300, expected = 200): Promise<SipText> {
    const response = await this.request({
      method: 'REGISTER',
      uri: 'sip:webtrunk.test',
      to: `<sip:${this.user}@webtrunk.test>`,
      callId: this.#registrationCallId,
      headers: [
        ['Contact', this.contact],
        ['Expires', String(expires)],
      ],
    })
    if (statusOf(response) !== expected) throw new Error(`REGISTER: ${response.startLine}\n${this.log}`)
    return response
  }

  /** A request outside of calls; resolves with its final response, digest included. */
  async request(
    request: Pick<OutgoingText, 'method' | 'uri' | 'to'> & Partial<OutgoingText>,
  ): Promise<SipText> {
    const whole: OutgoingText = {
      from: `<sip:${this.user}@webtrunk.test>;tag=${token()}`,
      callId: token(),
      number: this.nextNumber(),
      headers: [],
      body: '',
      ...request,
    }
    const first = await this.#exchange(whole)
    const authorization = this.credentials(first, whole.method, whole.uri)
    if (authorization === undefined) return first
    return this.#exchange({
      ...whole,
      number: this.nextNumber(),
      headers: [...whole.headers, ['Authorization', authorization]],
    })
  }

  /** Sends INVITE; what comes of it is told by the call. */
  async call(number: string, options: WebrtcCallOptions): Promise<WebrtcCall> {
    const call = new WebrtcCall(this, options, { number })
    this.#calls.set(call.callId, call)
    await call.invite()
    return call
  }

  /** The oldest incoming call not yet taken. */
  async nextInvitation(options?: WaitOptions): Promise<WebrtcCall> {
    return waitFor(
      'an incoming call',
      () => this.#invitations.shift(),
      options,
      () => this.log,
    )
  }

  /** Ends calls that are left and the connection. May be called twice. */
  async close(): Promise<void> {
    for (const call of this.#calls.values()) await call.close()
    this.#calls.clear()
    this.#socket.terminate()
  }

  nextNumber(): number {
    this.#number += 1
    return this.#number
  }

  /** `Authorization` for a 401; undefined for every other response. */
  credentials(response: SipText, method: string, uri: string): string | undefined {
    if (statusOf(response) !== 401) return undefined
    return credentialsFor(response, method, uri, this.user, this.#password)
  }

  /** Returns the branch. Without `onResponse` responses are ignored (ACK has none). */
  send(request: OutgoingText, onResponse?: OnResponse, branch = `z9hG4bK${token()}`): string {
    // CANCEL has the branch of its INVITE (RFC 3261 §9.1).
    if (onResponse !== undefined) this.#responses.set(`${branch} ${request.method}`, onResponse)
    this.sendText({
      startLine: `${request.method} ${request.uri} SIP/2.0`,
      headers: [
        ['Via', `SIP/2.0/WS ${this.#host};branch=${branch}`],
        ['Max-Forwards', '70'],
        ['From', request.from],
        ['To', request.to],
        ['Call-ID', request.callId],
        ['CSeq', `${request.number} ${request.method}`],
        ...request.headers,
      ],
      body: request.body,
    })
    return branch
  }

  sendText(message: SipText): void {
    const text = formatSipText(message)
    this.#log.push(`>>> ${text}`)
    this.#socket.send(text)
  }

  respond(request: SipText, line: string, tag: string, extra: SipText['headers'] = [], body = ''): void {
    const to = headerOf(request, 'To')
    this.sendText({
      startLine: `SIP/2.0 ${line}`,
      headers: [
        ...headersOf(request, 'Via').map((via): readonly [string, string] => ['Via', via]),
        ['From', headerOf(request, 'From')],
        ['To', to.includes(';tag=') ? to : `${to};tag=${tag}`],
        ['Call-ID', headerOf(request, 'Call-ID')],
        ['CSeq', headerOf(request, 'CSeq')],
        ...extra,
      ],
      body,
    })
  }

  #exchange(request: OutgoingText): Promise<SipText> {
    return new Promise((resolve, reject) => {
      const onClose = (): void => reject(new Error(`the WebSocket closed before an answer\n${this.log}`))
      this.#socket.once('close', onClose)
      this.send(request, (response) => {
        if ((statusOf(response) ?? 0) < 200) return
        this.#socket.off('close', onClose)
        resolve(response)
      })
    })
  }

  #onMessage(text: string): void {
    this.#log.push(`<<< ${text}`)
    const message = parseSipText(text)
    if (statusOf(message) !== undefined) {
      const [, method] = headerOf(message, 'CSeq').split(' ')
      this.#responses.get(`${branchOf(message)} ${method}`)?.(message)
      return
    }
    const call = this.#calls.get(headerOf(message, 'Call-ID'))
    if (call !== undefined) void call.onRequest(message)
    else if (methodOf(message) === 'INVITE') this.#onInvite(message)
    else if (methodOf(message) !== 'ACK')
      this.respond(message, '481 Call/Transaction Does Not Exist', token())
  }

  #onInvite(invite: SipText): void {
    const call = new WebrtcCall(this, { toneHz: 440 }, { invite })
    this.#calls.set(call.callId, call)
    this.#invitations.push(call)
    this.respond(invite, '180 Ringing', call.localTag, [['Contact', this.contact]])
  }
}
