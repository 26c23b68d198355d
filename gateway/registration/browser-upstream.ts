import type { Flow } from '../../sip/flow.ts'
import { addresses, headerValues } from '../../sip/message/headers.ts'
import { type Header, isSipUri, type SipRequest, type Uri } from '../../sip/message/message.ts'
import { readable } from '../../sip/message/readable.ts'
import { sipUri } from '../../sip/message/uri.ts'
import { nameAddr } from '../calls/identity.ts'
import { GatewayFailure } from '../gateway-failure.ts'
import type { Trunk } from '../trunks/trunk.ts'
import { challengeOf, PBX, seenIn, type Upstream, type UpstreamWay, unreachable } from './upstream.ts'
import { isChallenge, isWrongPassword, passedCredentials } from './upstream-credentials.ts'
import type { UpstreamLine } from './upstream-line.ts'
import type { UpstreamRegistrar } from './upstream-registrar.ts'

/** No 3xx is followed: what a browser has shown the PBX is for nobody else. */
const NOWHERE: ReadonlySet<string> = new Set()

/** `credentials: browser`. Requests of users go to the PBX as they are, so that the password answers for what was asked. */
export class BrowserUpstream implements Upstream {
  readonly #line: UpstreamLine
  readonly #registrar: UpstreamRegistrar
  readonly #domain: string

  constructor(line: UpstreamLine, registrar: UpstreamRegistrar, domain: string) {
    this.#line = line
    this.#registrar = registrar
    this.#domain = domain
  }

  get trunk(): Trunk {
    return this.#line.trunk
  }

  isFrom(flow: Flow): boolean {
    return this.#line.isFrom(flow)
  }

  wayOut(user: string, request: SipRequest, flow: Flow): UpstreamWay {
    const binding = this.#registrar.location.ofFlow(flow).find(({ aor }) => aor === user)
    if (binding === undefined) throw new GatewayFailure('upstream.not-registered')
    const { from, callId, cseq } = this.#registrar.numbers.of(user, request)
    const way = this.#line.path()
    return {
      targets: [{ flow: way.flow, uri: request.uri, party: PBX }],
      localAddress: way.localAddress,
      from,
      to: { ...request.to, parameters: new Map() },
      headers: [...passedCredentials(request), ...privacy(request)],
      route: binding.route,
      numbers: { callId, cseq },
      redirectHosts: NOWHERE,
      failureOf: (outcome) => {
        way.heard(outcome)
        if (typeof outcome === 'string' || !isChallenge(outcome)) return unreachable(outcome)
        if (isWrongPassword(request, outcome)) this.#registrar.guard.failed(flow)
        return challengeOf(request, outcome)
      },
    }
  }

  wayFor(user: string, target: Uri): UpstreamWay {
    const [binding] = this.#registrar.bindingsOf(user)
    const way = this.#line.path()
    return {
      targets: [{ flow: way.flow, uri: target, party: PBX }],
      localAddress: way.localAddress,
      from: nameAddr(sipUri({ user, host: this.#domain })),
      to: nameAddr(target),
      headers: [],
      route: binding?.route ?? [],
      redirectHosts: NOWHERE,
      failureOf: (outcome) => {
        way.heard(outcome)
        return typeof outcome === 'object' && isChallenge(outcome)
          ? new GatewayFailure('upstream.no-credentials', { seen: seenIn(outcome) })
          : unreachable(outcome)
      },
    }
  }

  devicesFor(request: SipRequest) {
    const binding = this.#registrar.location.byToken(this.#tokenOf(request))
    if (binding === undefined) throw new GatewayFailure('upstream.unknown-token', { seen: request.uri.text })
    if (!binding.flow.isOpen) throw new GatewayFailure('call.not-registered', { seen: binding.aor })
    return { user: binding.aor, devices: [binding] }
  }

  /** In our Contact; or in the Route that our Path has become. */
  #tokenOf(request: SipRequest): string {
    const [route] = this.#line.config.path ? (readable(() => addresses(request, 'Route')) ?? []) : []
    const uri = route?.uri ?? request.uri
    return (isSipUri(uri) ? uri.user : undefined) ?? ''
  }
}

/** RFC 3323: a caller that does not want to be shown says so to the PBX, which knows who it is. */
export const privacy = (request: SipRequest): readonly Header[] =>
  headerValues(request, 'Privacy')
    .slice(0, 1)
    .filter((value) => /^[a-z;\s]{1,64}$/i.test(value))
    .map((value) => ({ name: 'Privacy', value }))
