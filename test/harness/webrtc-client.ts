import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { answerDigest } from './digest-answer.ts'
import { toneMs } from './goertzel.ts'
import { answeringDirection, attributeOf, type Direction, directionOf, redescribe } from './redescribe.ts'
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
import { WebrtcAudio, type WebrtcAudioOptions } from './webrtc-audio.ts'

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

interface Outgoing {
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

export interface WebrtcCallOptions extends WebrtcAudioOptions {
  /** `Supported` of the INVITE. With `100rel` reliable responses are acknowledged by PRACK. */
  readonly supports?: readonly string[]
  /** Delayed offer: the far end makes it in its 200. */
  readonly isOfferless?: boolean
  /** Added to the INVITE. */
  readonly headers?: SipText['headers']
}

/** What this client can do in a call. */
const ALLOW = 'INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, INFO, NOTIFY, REFER, MESSAGE, OPTIONS'
const SDP: SipText['headers'][number] = ['Content-Type', 'application/sdp']

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

  static async connect(url: string, user: string, password: string): Promise<WebrtcClient> {
    const socket = new WebSocket(url, 'sip', { rejectUnauthorized: false })
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
  async request(request: Pick<Outgoing, 'method' | 'uri' | 'to'> & Partial<Outgoing>): Promise<SipText> {
    const whole: Outgoing = {
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
  send(request: Outgoing, onResponse?: OnResponse, branch = `z9hG4bK${token()}`): string {
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

  #exchange(request: Outgoing): Promise<SipText> {
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

type Origin = { readonly number: string } | { readonly invite: SipText }

/** How a call meets a re-INVITE or UPDATE with an offer: agrees (default) or refuses with this status line. */
type OnReoffer = 'agree' | `${number} ${string}`

/** One call of a `WebrtcClient`. */
export class WebrtcCall {
  readonly callId: string
  readonly localTag = token()
  /** Provisional and final responses to our INVITE, and requests of the far end, as they came. */
  readonly received: SipText[] = []
  /** Settable: 491 for glare, 488 for a change that is not wanted. */
  onReoffer: OnReoffer = 'agree'
  readonly #options: WebrtcCallOptions
  readonly #client: WebrtcClient
  readonly #origin: Origin
  readonly #uri: string
  readonly #local: string
  #remote: string
  #target: string
  #audio: WebrtcAudio
  #inviteNumber = 0
  #inviteBranch = ''
  #final: SipText | undefined
  #hasAnswer = false
  #isOver = false
  /** Of our description; werift's own stays 0 as it describes itself once. */
  #version = 0
  /** The far end's newest description. */
  #remoteDescription = ''
  /** RSeq of reliable responses already acknowledged. */
  readonly #reliable = new Set<string>()
  #onAckBody: ((body: string) => void) | undefined
  /** The far end's answer that media was set up with. */
  #firstAnswer = ''
  /** Our newest request within the call. */
  #reinvite = { number: 0, branch: '' }

  constructor(client: WebrtcClient, options: WebrtcCallOptions, origin: Origin) {
    this.#options = options
    this.#client = client
    this.#origin = origin
    this.#audio = new WebrtcAudio(options)
    if ('invite' in origin) {
      const { invite } = origin
      this.received.push(invite)
      this.callId = headerOf(invite, 'Call-ID')
      this.#local = `${headerOf(invite, 'To')};tag=${this.localTag}`
      this.#remote = headerOf(invite, 'From')
      this.#target = uriIn(headerOf(invite, 'Contact'))
      this.#uri = this.#target
    } else {
      this.callId = token()
      this.#uri = `sip:${origin.number}@webtrunk.test`
      this.#local = `<sip:${client.user}@webtrunk.test>;tag=${this.localTag}`
      this.#remote = `<${this.#uri}>`
      this.#target = this.#uri
    }
  }

  /** Of our INVITE, once it is there. */
  get finalStatus(): number | undefined {
    return this.#final === undefined ? undefined : statusOf(this.#final)
  }

  /** CANCEL or BYE came, or we ended or were refused. */
  get isOver(): boolean {
    return this.#isOver
  }

  get connectionState(): string {
    return this.#audio.connectionState
  }

  /** What the far end has described last. */
  get remoteDescription(): string {
    return this.#remoteDescription
  }

  /** RSeq numbers that were acknowledged by PRACK. */
  get acknowledgedProgress(): readonly string[] {
    return [...this.#reliable]
  }

  get heard(): Float32Array {
    return this.#audio.heard
  }

  async invite(authorization?: string, offer?: string): Promise<void> {
    const body = offer ?? (this.#options.isOfferless ? '' : await this.#audio.offer())
    const { supports = [], headers = [] } = this.#options
    this.#inviteNumber = this.#client.nextNumber()
    const credentials: SipText['headers'] =
      authorization === undefined ? [] : [['Authorization', authorization]]
    this.#inviteBranch = this.#client.send(
      {
        method: 'INVITE',
        uri: this.#uri,
        from: this.#local,
        to: this.#remote,
        callId: this.callId,
        number: this.#inviteNumber,
        headers: [
          ['Contact', this.#client.contact],
          ['Allow', ALLOW],
          ...(supports.length === 0 ? [] : [['Supported', supports.join(', ')] as const]),
          ...(body === '' ? [] : [SDP]),
          ...headers,
          ...credentials,
        ],
        body,
      },
      (response) => this.#onInviteResponse(response, body, authorization !== undefined),
    )
  }

  /** The final response to our INVITE. */
  async waitForFinal(options?: WaitOptions): Promise<SipText> {
    return waitFor(
      'a final response',
      () => this.#final,
      options,
      () => this.#client.log,
    )
  }

  /** Waits until the INVITE is answered 2xx and media is connected. */
  async waitForConnection(options?: WaitOptions): Promise<void> {
    await waitFor(
      'media to connect',
      () => {
        if ((this.finalStatus ?? 0) >= 300)
          throw new Error(`refused: ${this.#final?.startLine}\n${this.#client.log}`)
        return this.connectionState === 'connected'
      },
      options,
      () => `${this.connectionState}\n${this.#client.log}`,
    )
  }

  /** Waits until `durationMs` of the tone was heard in all. */
  async waitForTone(frequencyHz: number, durationMs = 500, options?: WaitOptions): Promise<void> {
    await waitFor(
      `${frequencyHz} Hz`,
      () => toneMs(this.heard, { sampleRateHz: 8000, frequencyHz }) >= durationMs,
      options,
      () => `heard ${this.heard.length / 8} ms in all, media is ${this.connectionState}\n${this.#client.log}`,
    )
  }

  async waitForProgress(status: number, options?: WaitOptions): Promise<SipText> {
    return waitFor(
      `a ${status}`,
      () => this.received.find((message) => statusOf(message) === status),
      options,
      () => this.#client.log,
    )
  }

  /** BYE or CANCEL of the far end. */
  async waitForEnd(options?: WaitOptions): Promise<void> {
    await waitFor(
      'the call to end',
      () => this.#isOver,
      options,
      () => this.#client.log,
    )
  }

  /** Waits for the `count`th request of the far end within the call. */
  async waitForRequest(method: string, count = 1, options?: WaitOptions): Promise<SipText> {
    return waitFor(
      `${count} ${method}`,
      () => this.received.filter((message) => methodOf(message) === method)[count - 1],
      options,
      () => this.#client.log,
    )
  }

  /** Waits until the far end has described itself with this direction. */
  async waitForRemoteDirection(direction: Direction, options?: WaitOptions): Promise<void> {
    await waitFor(
      `${direction} of the far end`,
      () => this.#remoteDescription !== '' && directionOf(this.#remoteDescription) === direction,
      options,
      () => this.#client.log,
    )
  }

  /** Waits until `durationMs` more than now are heard of the tone. */
  async waitForMoreTone(frequencyHz: number, durationMs = 500, options?: WaitOptions): Promise<void> {
    const heardMs = toneMs(this.heard, { sampleRateHz: 8000, frequencyHz })
    await this.waitForTone(frequencyHz, heardMs + durationMs, options)
  }

  /**
   * re-INVITE (with its ACK) or UPDATE with our description in another direction; the final response. Nothing is retried.
   * Without a direction it has no offer: the far end makes one, and agrees to what we have.
   */
  async reoffer(direction: Direction | undefined, method: 'INVITE' | 'UPDATE' = 'INVITE'): Promise<SipText> {
    const body = direction === undefined ? '' : this.#describe(direction, 'actpass')
    const response = await this.request(method, body === '' ? [] : [SDP], body)
    const isAgreed = (statusOf(response) ?? 0) < 300
    if (isAgreed && direction !== undefined) this.#send(direction)
    if (isAgreed && response.body !== '') this.#remoteDescription = response.body
    if (method === 'INVITE') this.#acknowledge(response, isAgreed && direction === undefined)
    return response
  }

  /** A request within the call; its final response. */
  async request(method: string, headers: SipText['headers'] = [], body = ''): Promise<SipText> {
    const number = this.#client.nextNumber()
    let final: SipText | undefined
    const isOffer = method === 'INVITE' || method === 'UPDATE'
    const contact: SipText['headers'] =
      isOffer || method === 'REFER' ? [['Contact', this.#client.contact]] : []
    const branch = this.#client.send(
      { ...this.#request(method, number, this.#remote), headers: [...contact, ...headers], body },
      (response) => {
        if ((statusOf(response) ?? 0) >= 200) final ??= response
      },
    )
    this.#reinvite = { number, branch }
    return waitFor(
      `a final response to ${method}`,
      () => final,
      {},
      () => this.#client.log,
    )
  }

  async answer(options: WebrtcAudioOptions): Promise<void> {
    if (!('invite' in this.#origin)) throw new Error('only an incoming call can be answered')
    await this.#audio.close()
    this.#audio = new WebrtcAudio(options)
    this.#remoteDescription = this.#origin.invite.body
    const body = await this.#audio.answer(this.#origin.invite.body)
    const headers: SipText['headers'] = [['Contact', this.#client.contact], ['Allow', ALLOW], SDP]
    this.#client.respond(this.#origin.invite, '200 OK', this.localTag, headers, body)
  }

  reject(line: string): void {
    if (!('invite' in this.#origin)) throw new Error('only an incoming call can be rejected')
    this.#isOver = true
    this.#client.respond(this.#origin.invite, line, this.localTag)
  }

  cancel(): void {
    this.#client.send(
      this.#request('CANCEL', this.#inviteNumber, `<${this.#uri}>`),
      () => undefined,
      this.#inviteBranch,
    )
  }

  /** Sends BYE and waits for its answer. */
  async hangUp(): Promise<void> {
    let status: number | undefined
    this.#client.send(this.#request('BYE', this.#client.nextNumber(), this.#remote), (response) => {
      status = statusOf(response)
    })
    await waitFor(
      'an answer to BYE',
      () => status !== undefined,
      {},
      () => this.#client.log,
    )
    await this.close()
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#audio.close()
  }

  /** For the client: a request within this call. */
  async onRequest(request: SipText): Promise<void> {
    this.received.push(request)
    const method = methodOf(request)
    switch (method) {
      case 'ACK':
        this.#onAckBody?.(request.body)
        this.#onAckBody = undefined
        return
      case 'BYE':
        this.#client.respond(request, '200 OK', this.localTag)
        await this.close()
        return
      case 'CANCEL':
        this.#client.respond(request, '200 OK', this.localTag)
        if ('invite' in this.#origin) this.reject('487 Request Terminated')
        return
      case 'INVITE':
      case 'UPDATE':
        this.#onOffer(request)
        return
      case 'REFER':
        this.#client.respond(request, '202 Accepted', this.localTag, [['Contact', this.#client.contact]])
        return
      default:
        this.#client.respond(request, '200 OK', this.localTag)
    }
  }

  /** re-INVITE or UPDATE. */
  #onOffer(request: SipText): void {
    const headers: SipText['headers'] = [
      ['Contact', this.#client.contact],
      ['Allow', ALLOW],
    ]
    if (request.body === '' && methodOf(request) === 'UPDATE') {
      this.#client.respond(request, '200 OK', this.localTag, headers)
      return
    }
    if (this.onReoffer !== 'agree') {
      this.#client.respond(request, this.onReoffer, this.localTag)
      return
    }
    if (request.body === '') {
      this.#onAckBody = (body) => {
        this.#remoteDescription = body
      }
      const offer = this.#describe('sendrecv', 'actpass')
      this.#client.respond(request, '200 OK', this.localTag, [...headers, SDP], offer)
      return
    }
    this.#remoteDescription = request.body
    const direction = answeringDirection(directionOf(request.body))
    this.#send(direction)
    const answer = this.#describe(direction, this.#role())
    this.#client.respond(request, '200 OK', this.localTag, [...headers, SDP], answer)
  }

  #send(direction: Direction): void {
    this.#audio.setSending(direction === 'sendrecv' || direction === 'sendonly')
  }

  #describe(direction: Direction, setup: string): string {
    this.#version += 1
    return redescribe(this.#audio.description, { version: this.#version, direction, setup })
  }

  /** RFC 8842 §5.5: an association that stays keeps its roles. */
  #role(): string {
    const own = attributeOf(this.#audio.description, 'setup')
    if (own !== 'actpass') return own ?? 'active'
    return attributeOf(this.#firstAnswer, 'setup') === 'active' ? 'passive' : 'active'
  }

  /** Of a re-INVITE. */
  #acknowledge(response: SipText, needsAnswer: boolean): void {
    const { number, branch } = this.#reinvite
    const isAgreed = (statusOf(response) ?? 0) < 300
    const body = needsAnswer
      ? this.#describe(answeringDirection(directionOf(response.body)), this.#role())
      : ''
    this.#client.send(
      { ...this.#request('ACK', number, this.#remote), headers: body === '' ? [] : [SDP], body },
      undefined,
      isAgreed ? undefined : branch,
    )
  }

  #acknowledgeProgress(response: SipText): void {
    const rseq = headerOf(response, 'RSeq')
    if (rseq === '' || this.#reliable.has(rseq)) return
    this.#reliable.add(rseq)
    const number = this.#client.nextNumber()
    this.#client.send(
      {
        ...this.#request('PRACK', number, headerOf(response, 'To')),
        uri: uriIn(headerOf(response, 'Contact')),
        headers: [['RAck', `${rseq} ${headerOf(response, 'CSeq')}`]],
      },
      () => undefined,
    )
  }

  #isCallee(): boolean {
    return 'invite' in this.#origin
  }

  #onInviteResponse(response: SipText, offer: string, wasAuthorized: boolean): void {
    this.received.push(response)
    const status = statusOf(response) ?? 0
    if (status <= 100) return
    if (status >= 300) {
      this.#client.send(
        this.#request('ACK', this.#inviteNumber, headerOf(response, 'To')),
        undefined,
        this.#inviteBranch,
      )
      const authorization = wasAuthorized
        ? undefined
        : this.#client.credentials(response, 'INVITE', this.#uri)
      if (authorization !== undefined) {
        void this.invite(authorization, offer)
        return
      }
      this.#final = response
      void this.close()
      return
    }
    if (status < 200 && this.#options.supports?.includes('100rel')) this.#acknowledgeProgress(response)
    if (response.body !== '' && offer !== '' && !this.#hasAnswer) {
      this.#hasAnswer = true
      this.#firstAnswer = response.body
      this.#remoteDescription = response.body
      void this.#audio.accept(response.body)
    }
    if (status < 200) return
    const isRepeated = this.#final !== undefined
    this.#final = response
    this.#remote = headerOf(response, 'To')
    this.#target = uriIn(headerOf(response, 'Contact'))
    if (offer === '' && !isRepeated) void this.#answerDelayedOffer(response.body)
    else this.#client.send(this.#request('ACK', this.#inviteNumber, this.#remote))
  }

  async #answerDelayedOffer(offer: string): Promise<void> {
    this.#remoteDescription = offer
    const body = await this.#audio.answer(offer)
    this.#client.send({
      ...this.#request('ACK', this.#inviteNumber, this.#remote),
      headers: [SDP],
      body,
    })
  }

  #request(method: string, number: number, to: string): Outgoing {
    const isInDialog =
      method !== 'CANCEL' && (method !== 'ACK' || this.#isCallee() || (this.finalStatus ?? 300) < 300)
    return {
      method,
      uri: isInDialog ? this.#target : this.#uri,
      from: this.#local,
      to,
      callId: this.callId,
      number,
      headers: [],
      body: '',
    }
  }
}

const uriIn = (nameAddr: string): string => /<([^>]*)>/.exec(nameAddr)?.[1] ?? nameAddr.split(';', 1)[0] ?? ''
