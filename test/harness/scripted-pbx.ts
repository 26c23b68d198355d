import type { Config, UpstreamConfig } from '../../config/config.ts'
import { Secret } from '../../config/secret.ts'
import { nameAddr } from '../../gateway/calls/identity.ts'
import { createDigestServer, type DigestServer } from '../../sip/authentication/digest.ts'
import { buildResponse } from '../../sip/message/build.ts'
import { formatMessage } from '../../sip/message/format.ts'
import { contacts, header, rawValues, seconds } from '../../sip/message/headers.ts'
import type { Header, SipRequest, SipResponse } from '../../sip/message/message.ts'
import { formatNameAddr, withTag } from '../../sip/message/name-addr.ts'
import { parseMessage } from '../../sip/message/parser.ts'
import { parseUri, sipUri } from '../../sip/message/uri.ts'
import type { IncomingRequest, NoAnswer } from '../../sip/user-agent.ts'
import { offerOf, PHONE, type PlacedCall, place } from './scripted-calls.ts'
import { type Peer, ScriptedGateway, statusIn } from './scripted-gateway.ts'
import type { SentRequest } from './scripted-relay.ts'
import { trunkConfig } from './trunk-config.ts'

const DOMAIN = 'example.com'

/** Users of the PBX and their passwords there. */
export const EXTENSIONS = { '1001': 'secret of 1001', '1002': 'secret of 1002' } as const
export type ExtensionName = keyof typeof EXTENSIONS

const upstreamConfig = (over: Partial<UpstreamConfig>): UpstreamConfig => ({
  trunk: trunkConfig({ name: 'upstream', port: 5_080, codecs: ['PCMA', 'PCMU'] }),
  credentials: 'browser',
  domain: DOMAIN,
  local: { host: ['127.0.0.1'], port: 5_061, announced: [] },
  certificate: undefined,
  path: false,
  expiresS: 600,
  graceS: 30,
  ...over,
})

export interface RegisterOptions {
  readonly instance?: string
  readonly contact?: string
  readonly expiresS?: number
  readonly callId?: string
  readonly cseq?: number
  readonly headers?: readonly Header[]
  readonly domain?: string
  /** From, where it is not To. */
  readonly by?: string
}

/** The PBX that keeps the registrations: challenges, registers and calls back, as the test has set it. */
export class ScriptedPbx {
  readonly gateway: ScriptedGateway
  readonly peer: Peer
  /** Every REGISTER, the challenged ones too. */
  readonly registers: SipRequest[] = []
  /** What it would call, by user, newest last: the Contact URI, and through where. */
  readonly bindings = new Map<string, { readonly uri: string; readonly path: string | undefined }[]>()
  minExpiresS = 0
  grantsS: number | undefined
  serviceRoute: readonly string[] = []
  /** Beside the status of an answer, when it is set, this one is given to all. */
  refusal: { readonly status: number; readonly headers?: readonly Header[] } | undefined
  /** Takes a nonce count again, as PBXes do that do not count. */
  takesReplays = false
  /** Does not answer. */
  isSilent = false
  readonly #digest: DigestServer
  #number = 0

  static async open(
    upstream: Partial<UpstreamConfig> = {},
    config: Partial<Config> = {},
  ): Promise<ScriptedPbx> {
    const users = upstream.credentials === 'gateway' ? {} : { users: [] }
    return new ScriptedPbx(
      await ScriptedGateway.open({ upstream: upstreamConfig(upstream), ...users, ...config }),
    )
  }

  private constructor(gateway: ScriptedGateway) {
    this.gateway = gateway
    this.peer = gateway.pbx
    this.#digest = createDigestServer({
      realm: DOMAIN,
      secret: 'f'.repeat(32),
      algorithms: ['SHA-256', 'MD5'],
      nonceLifetimeMs: 300_000,
    })
    this.peer.answers = (request) => this.#answer(request)
  }

  /** A browser that knows the password of a user, or another one. */
  browser(user: ExtensionName, password: string = EXTENSIONS[user]): Peer {
    const browser = this.gateway.browser()
    browser.account = { user, password: new Secret(password), md5: true }
    return browser
  }

  /** A browser that the PBX has registered. */
  async registered(user: ExtensionName, options: RegisterOptions = {}): Promise<Peer> {
    const browser = this.browser(user)
    const answer = await this.register(browser, user, options)
    if (typeof answer === 'string' || answer.status !== 200) {
      throw new Error(`REGISTER: ${statusIn(answer)}`)
    }
    return browser
  }

  /** REGISTER of a browser, its challenge answered where the browser has an account. */
  async register(
    browser: Peer,
    user: string,
    options: RegisterOptions = {},
  ): Promise<SipResponse | NoAnswer> {
    this.#number += 1
    const {
      instance = user,
      expiresS = 300,
      callId = `register-${this.#number}`,
      cseq = 1,
      headers = [],
    } = options
    const {
      contact = `<sip:${user}@df7jal23ls0d.invalid;transport=ws>;+sip.instance="<urn:uuid:${instance}>"`,
    } = options
    const aor = nameAddr(sipUri({ user, host: options.domain ?? DOMAIN }))
    const from = options.by === undefined ? aor : nameAddr(sipUri({ user: options.by, host: DOMAIN }))
    const response = new Promise<SipResponse | NoAnswer>((resolve) => {
      browser.userAgent.request(
        {
          method: 'REGISTER',
          flow: browser.flow,
          uri: sipUri({ host: DOMAIN }),
          from: withTag(from, `tag-${callId}`),
          to: aor,
          numbers: { callId, cseq },
          headers: [
            ...(contact === '' ? [] : [{ name: 'Contact', value: contact }]),
            { name: 'Expires', value: String(expiresS) },
            ...headers,
          ],
        },
        resolve,
      )
    })
    // Longer than the gateway waits for a silent PBX.
    await this.gateway.time.advance(this.isSilent ? 30_000 : 100)
    return response
  }

  /** Challenge lines of a 401 or, as `Proxy-Authenticate`, of a 407. */
  challenges(name: 'WWW-Authenticate' | 'Proxy-Authenticate' = 'WWW-Authenticate'): readonly Header[] {
    return this.#digest.challenges(this.gateway.time.nowMs(), {}).map((value) => ({ name, value }))
  }

  /** The user whose password the request has proven. */
  provenBy(request: SipRequest): string | undefined {
    const asOurs = {
      ...request,
      headers: request.headers.map((row) =>
        row.name === 'Proxy-Authorization' ? { ...row, name: 'Authorization' } : row,
      ),
    }
    const verdict = this.#digest.verify(asOurs, this.gateway.time.nowMs(), (user) => {
      const password = EXTENSIONS[user as ExtensionName]
      return password === undefined ? undefined : { password: new Secret(password) }
    })
    return verdict.kind === 'accepted' ? verdict.user : undefined
  }

  /** How it calls a user: the newest registration. */
  uriOf(user: string) {
    const [newest] = (this.bindings.get(user) ?? []).slice(-1)
    if (newest === undefined) throw new Error(`nobody is registered as ${user}`)
    return newest
  }

  /** Calls what it has registered, or whatever else. */
  calls(
    uri: string,
    options: { readonly from?: string; readonly headers?: readonly Header[]; readonly to?: string } = {},
  ): PlacedCall {
    const { from = '9100', headers = [], to = uri } = options
    return place(this.peer, from, '', {
      body: offerOf(PHONE),
      headers,
      where: {
        uri: parseUri(uri),
        to: parseUri(to),
      },
    })
  }

  /** A request beside calls. */
  asks(
    method: string,
    uri: string,
    options: { readonly headers?: readonly Header[]; readonly body?: string } = {},
  ): SentRequest {
    const { headers = [], body } = options
    const sent: SentRequest = { answer: undefined }
    this.peer.userAgent.request(
      {
        method,
        flow: this.peer.flow,
        uri: parseUri(uri),
        from: nameAddr(sipUri({ user: '9100', host: DOMAIN })),
        to: nameAddr(parseUri(uri)),
        headers,
        ...(body === undefined ? {} : { body: { contentType: 'text/plain', bytes: Buffer.from(body) } }),
      },
      (response) => {
        sent.answer = response
      },
    )
    return sent
  }

  /** Answers a request that its user agent has not seen. */
  answerRaw(text: string, status: number, headers: readonly Header[]): void {
    const message = parseMessage(Buffer.from(text))
    if (message.kind !== 'request') throw new TypeError('a request')
    this.peer.flow.send(formatMessage(buildResponse(message, status, { headers, toTag: 'pbx' })))
  }

  #answer({ request, respond }: IncomingRequest): boolean {
    if (request.method !== 'REGISTER') return false
    this.registers.push(request)
    if (this.isSilent) return true
    const user = this.provenBy(request) ?? (this.takesReplays ? claimedBy(request) : undefined)
    const isOwn = user !== undefined && request.to.uri.user === user
    if (this.refusal !== undefined && isOwn) respond(this.refusal.status, this.refusal)
    else if (!isOwn) respond(401, { headers: this.challenges() })
    else if (this.#isTooBrief(request)) {
      respond(423, { headers: [{ name: 'Min-Expires', value: String(this.minExpiresS) }] })
    } else respond(200, { headers: this.#store(user, request) })
    return true
  }

  #isTooBrief(request: SipRequest): boolean {
    const asked = seconds(request, 'Expires') ?? 3_600
    return asked > 0 && asked < this.minExpiresS
  }

  #store(user: string, request: SipRequest): readonly Header[] {
    const list = contacts(request)
    const known = this.bindings.get(user) ?? []
    const expiresS = seconds(request, 'Expires') ?? 3_600
    if (list === '*') {
      this.bindings.delete(user)
      return []
    }
    const gone = new Set(list.map(({ uri }) => uri.text))
    const path = header(request, 'Path')
    const added = expiresS === 0 ? [] : list.map(({ uri }) => ({ uri: uri.text, path }))
    this.bindings.set(user, [...known.filter(({ uri }) => !gone.has(uri)), ...added])
    const granted = this.grantsS ?? expiresS
    return [
      { name: 'Contact', value: '<sip:1001@10.9.8.7>;expires=17' },
      ...(expiresS === 0
        ? []
        : list.map((row) => ({
            name: 'Contact',
            value: `${formatNameAddr({ ...row, parameters: new Map() })};expires=${granted}`,
          }))),
      ...this.serviceRoute.map((value) => ({ name: 'Service-Route', value })),
    ]
  }
}

const claimedBy = (request: SipRequest): string | undefined =>
  /username="([^"]*)"/.exec(header(request, 'Authorization') ?? '')?.[1]

export const valuesIn = (answer: SipResponse | NoAnswer | undefined, name: string): readonly string[] =>
  typeof answer === 'object' ? rawValues(answer, name) : []
