import type { DtlsSocket } from 'werift'
import type { DtlsContext, DtlsSession } from '../../media/native/boundary.ts'
import { native } from '../../media/native/index.ts'
import { until } from './until.ts'
import {
  muteWerift,
  openWerift,
  startWerift,
  type WeriftCertificate,
  weriftTransport,
} from './werift-dtls.ts'

/** Our DTLS session and a werift peer, joined in memory. */
export interface DtlsWire {
  readonly session: DtlsSession
  readonly peer: DtlsSocket
  /** What the peer sent, oldest first. */
  readonly fromPeer: readonly Buffer[]
  /** Gives our session a datagram and delivers what it answers. */
  feed(datagram: Buffer): void
  start(): void
  close(): void
}

export function makeDtlsContext(): DtlsContext {
  const certificate = native.createCertificate({ commonName: 'test', days: 1, names: [] })
  return native.createDtlsContext({
    ...certificate,
    suites: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
    mtu: 1200,
  })
}

/** `ourRole`: the peer takes the other. `tamper`: changes the peer before it sends anything. */
export function openDtlsWire(options: {
  readonly context: DtlsContext
  readonly ourRole: 'server' | 'client'
  readonly certificate: WeriftCertificate
  readonly tamper?: (peer: DtlsSocket) => void
}): DtlsWire {
  const { context, ourRole, certificate } = options
  const session = context.createSession(ourRole)
  const fromPeer: Buffer[] = []
  const transport = weriftTransport((datagram) => {
    fromPeer.push(datagram)
    setImmediate(() => feed(datagram))
  })
  const peer = openWerift({ role: ourRole === 'server' ? 'client' : 'server', transport, certificate })
  options.tamper?.(peer)
  const flush = () => {
    for (const datagram of session.take()) setImmediate(() => transport.onData(datagram))
  }
  const feed = (datagram: Buffer) => {
    session.feed(datagram)
    flush()
  }
  return {
    session,
    peer,
    fromPeer,
    feed,
    start() {
      if (ourRole === 'server') return startWerift(peer)
      session.start()
      flush()
    },
    close() {
      muteWerift(peer)
      session.close()
    },
  }
}

/** A wire on which both sides are connected. */
export async function connectDtlsWire(options: Parameters<typeof openDtlsWire>[0]): Promise<DtlsWire> {
  const wire = openDtlsWire(options)
  wire.start()
  await until(() => wire.session.state === 'connected' && wire.peer.connected)
  return wire
}
