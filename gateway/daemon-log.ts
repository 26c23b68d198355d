import type { MediaConfig } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import { webrtcPorts } from '../config/webrtc-ports.ts'
import { formatAddress } from '../media/address.ts'
import type { MediaEngine } from '../media/engine.ts'
import { announcedFor } from '../media/ice/host-candidates.ts'
import type { WebSocketTransport } from '../sip/transport/wss.ts'
import type { Signalling } from './signalling.ts'
import type { TrunkSockets } from './trunks/trunk-sockets.ts'
import type { SocketMarks } from './web/socket-marks.ts'
import type { WebServer } from './web/web.ts'

export interface CountedParts {
  readonly signalling: Signalling
  readonly engine: MediaEngine
  readonly sockets: WebSocketTransport
  readonly trunkSockets: TrunkSockets
  readonly marks: SocketMarks
  readonly web: WebServer
}

/** Drops are counters; this is where they become visible. */
export function logCounters(log: Log, counted: CountedParts): void {
  const { signalling, engine, sockets, trunkSockets, marks, web } = counted
  const { calls, userAgent, strangers, refusals, door } = signalling
  const { transports, pbxTransports } = trunkSockets
  // As many as there are users: for commands that ask, not for every minute.
  const { placed: _, ...limits } = calls.counters()
  log.info('counters', {
    limits,
    sip: userAgent.counters(),
    media: engine.counters(),
    websocket: sockets.counters(),
    web: web.counters(),
    strangers: strangers.counters(),
    refusals: refusals.counters(),
    trunkSignIns: door.counters(),
    dscp: marks.counters(),
    tables: { ...userAgent.tables(), ...engine.tables() },
    ...transports.counters(),
    ...(pbxTransports === undefined ? {} : { upstream: pbxTransports.counters() }),
  })
}

/** Where browsers send media: the ports bound, and what they are told of them behind a NAT. Nothing for a port that the system picks. */
export function mediaPlaces({
  addresses,
  announced,
  ...ports
}: MediaConfig): Readonly<Record<string, readonly string[]>> {
  const places = (own: readonly string[]): readonly string[] =>
    webrtcPorts(ports).flatMap((port) => own.map((address) => formatAddress({ address, port })))
  const told = addresses.map((address) => announcedFor(address, announced))
  if (ports.webrtcPort === 0) return {}
  return {
    media: places(addresses),
    ...(announced.length === 0 ? {} : { mediaAnnounced: places([...new Set(told)]) }),
  }
}

/** Where the daemon can be reached, once, at the start. `others`: what is neither web nor SIP. */
export function logListening(
  log: Log,
  web: WebServer,
  { transports, pbxTransports }: TrunkSockets,
  others: Readonly<Record<string, unknown>>,
): void {
  log.info('listening', {
    ...(web.https === undefined ? {} : { https: web.https.port }),
    ...(web.http === undefined ? {} : { http: web.http.port }),
    ...(web.others.length === 0 ? {} : { others: web.others }),
    ...(web.unixSocket === undefined ? {} : { unixSocket: web.unixSocket }),
    ...transports.listening(),
    ...(pbxTransports === undefined ? {} : { upstream: pbxTransports.listening() }),
    ...others,
  })
}
