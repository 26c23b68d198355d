import { randomBytes } from 'node:crypto'
import { SelftestAudio, type SelftestAudioOptions } from '../../gateway/selftest/selftest-audio.ts'
import { toneMs } from '../../gateway/selftest/selftest-tone.ts'
import { answeringDirection, attributeOf, type Direction, directionOf, redescribe } from './redescribe.ts'
import { headerOf, methodOf, type SipText, statusOf } from './sip-text.ts'
import { type WaitOptions, waitFor } from './wait-for.ts'
import type { OutgoingText, WebrtcClient } from './webrtc-client.ts'

const token = (): string => randomBytes(8).toString('hex')

export interface WebrtcCallOptions extends SelftestAudioOptions {
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
  #audio: SelftestAudio
  #inviteNumber = 0
  #inviteBranch = ''
  #final: SipText | undefined
  #hasAnswer = false
  #isOver = false
  /** By us. */
  #isAnswered = false
  /** Of our description; werift's own stays 0 as it describes itself once. */
  #version = 0
  /** Of the far end, in the order they came. */
  readonly #descriptions: string[] = []
  /** Which of them were waited for: a hold that was over before anybody looked was a hold. */
  #lookedAt = 0
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
    this.#audio = new SelftestAudio(options)
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
    return this.#descriptions.at(-1) ?? ''
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
      () => {
        const isWanted = (description: string): boolean => directionOf(description) === direction
        const next = this.#descriptions.findIndex((one, at) => at > this.#lookedAt && isWanted(one))
        const last = this.#descriptions.length - 1
        const found = next < 0 && last >= 0 && isWanted(this.remoteDescription) ? last : next
        if (found < 0) return false
        this.#lookedAt = found
        return true
      },
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
    if (isAgreed && response.body !== '') this.#descriptions.push(response.body)
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

  async answer(options: SelftestAudioOptions): Promise<void> {
    if (!('invite' in this.#origin)) throw new Error('only an incoming call can be answered')
    await this.#audio.close()
    this.#audio = new SelftestAudio(options)
    this.#descriptions.push(this.#origin.invite.body)
    const body = await this.#audio.answer(this.#origin.invite.body)
    // Cancelled meanwhile: the INVITE has its final response.
    if (this.#isOver) return
    this.#isAnswered = true
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
        // RFC 3261 §9.2: it changes nothing after our 200, and a BYE has to follow.
        if ('invite' in this.#origin && !this.#isAnswered) this.reject('487 Request Terminated')
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
        this.#descriptions.push(body)
      }
      const offer = this.#describe('sendrecv', 'actpass')
      this.#client.respond(request, '200 OK', this.localTag, [...headers, SDP], offer)
      return
    }
    this.#descriptions.push(request.body)
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
      this.#descriptions.push(response.body)
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
    this.#descriptions.push(offer)
    const body = await this.#audio.answer(offer)
    this.#client.send({
      ...this.#request('ACK', this.#inviteNumber, this.#remote),
      headers: [SDP],
      body,
    })
  }

  #request(method: string, number: number, to: string): OutgoingText {
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
