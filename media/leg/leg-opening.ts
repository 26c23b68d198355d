import { randomBytes, randomInt } from 'node:crypto'
import { formatAddress } from '../address.ts'
import type { LegParameters } from '../engine.ts'
import { makeIceCredentials } from '../ice/ice-lite.ts'
import { KeyBytes } from '../key-bytes.ts'
import type { LegHost } from '../leg-host.ts'
import type { LegId, NativeLeg } from '../native/boundary.ts'
import {
  type Fingerprint,
  type IceCandidate,
  type RtpLocal,
  SRTP_SUITES,
  type SrtpSuite,
  type WebrtcLocal,
} from '../parameters.ts'
import { onFreePorts } from '../ports/free-ports.ts'
import type { PortPool } from '../ports/port-pool.ts'
import type { SharedPorts } from '../ports/shared-ports.ts'
import { named } from '../system-failure.ts'
import { DtlsRtpLeg } from './dtls-rtp-leg.ts'
import { RtpLeg, type Sharing } from './rtp-leg.ts'
import { WebrtcLeg } from './webrtc-leg.ts'

export type Leg = WebrtcLeg | RtpLeg | DtlsRtpLeg

/** What legs are made of. */
export interface LegSource {
  readonly candidates: readonly IceCandidate[]
  readonly ports: PortPool
  readonly shared: SharedPorts
}

/** A leg with sockets, keys and credentials of its own. Throws `media.no-port`, `media.overload`, `media.system-limit`. */
export function openLeg(parameters: LegParameters, source: LegSource, host: LegHost): Leg {
  return parameters.kind === 'webrtc'
    ? openWebrtc(parameters, source, host)
    : openRtp(parameters, source, host)
}

function openWebrtc({ isPatient }: LegParameters, source: LegSource, host: LegHost): WebrtcLeg {
  const ice = makeIceCredentials()
  const ssrc = makeSsrc()
  const id = addToRelay(host, { kind: 'webrtc', ufrag: ice.ufrag, ssrc }, 'a browser leg')
  const local: WebrtcLocal = {
    kind: 'webrtc',
    ice,
    candidates: source.candidates,
    fingerprint: fingerprintOf(host),
    ssrc,
    cname: makeCname(),
  }
  return new WebrtcLeg(id, local, host, isPatient)
}

function fingerprintOf({ dtls }: LegHost): Fingerprint {
  return { hash: 'sha-256', value: dtls.fingerprint }
}

function openRtp(
  parameters: LegParameters & { readonly kind: 'rtp' },
  source: LegSource,
  host: LegHost,
): RtpLeg | DtlsRtpLeg {
  const address = parameters.localAddress
  const ssrc = makeSsrc()
  const isDtls = parameters.keying === 'dtls'
  const isSharing = parameters.ports === 'shared' && !isDtls
  const { id, port, sharing } = isSharing
    ? shareRtp(source, host, address, ssrc)
    : bindRtp(source, host, address, ssrc, isDtls)
  const secrets = parameters.suites.map((suite) => makeSdesSecret(suite))
  const local: RtpLocal = {
    kind: 'rtp',
    rtp: { address, port },
    rtcpPort: port + 1,
    crypto: secrets.map(({ suite, keySalt }, index) => ({ tag: index + 1, suite, keySalt })),
    ssrc,
    cname: makeCname(),
  }
  if (isDtls) return new DtlsRtpLeg(id, local, fingerprintOf(host), host, parameters.isPatient)
  const keys = secrets.map(({ keySalt }) => keySalt)
  const isPlainAllowed = parameters.keying === 'optional'
  const options = { secrets: keys, isPlainAllowed, ...(sharing === undefined ? {} : { sharing }) }
  return new RtpLeg(id, local, options, host)
}

interface RtpSeat {
  readonly id: LegId
  readonly port: number
  readonly sharing?: Sharing
}

function bindRtp(source: LegSource, host: LegHost, address: string, ssrc: number, dtls: boolean): RtpSeat {
  const { ports } = source
  const { clock, relay } = host
  const { made, port } = onFreePorts({ ports, clock }, address, (free) =>
    relay.addLeg({ kind: 'rtp', ...free, ssrc, dtls }),
  )
  return { id: made, port }
}

function shareRtp(source: LegSource, host: LegHost, address: string, ssrc: number): RtpSeat {
  const { shared, ports } = source
  const { clock, relay } = host
  const pair = shared.at(address)
  if (pair === undefined) return bindRtp(source, host, address, ssrc, false)
  const { place, port } = pair
  const id = addToRelay(host, { kind: 'rtp', ssrc, shared: place }, formatAddress({ address, port }))
  const sharing = {
    isOwn: (remote: string) => shared.isOwn(remote),
    move: () => onFreePorts({ ports, clock }, address, (free) => relay.moveLeg(id, free)).port,
  }
  return { id, port, sharing }
}

function addToRelay(host: LegHost, leg: NativeLeg, expected: string): LegId {
  return named(() => host.relay.addLeg(leg), expected)
}

function makeSsrc(): number {
  return randomInt(1, 2 ** 32)
}

/** RFC 7022 §4.2: a random one says nothing about the host. */
function makeCname(): string {
  return randomBytes(12).toString('base64')
}

function makeSdesSecret(suite: SrtpSuite): { readonly suite: SrtpSuite; readonly keySalt: KeyBytes } {
  const { keyLength, saltLength } = SRTP_SUITES[suite]
  return { suite, keySalt: new KeyBytes(randomBytes(keyLength + saltLength)) }
}
