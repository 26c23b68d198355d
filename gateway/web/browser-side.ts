import type { Config } from '../../config/config.ts'
import type { Log } from '../../config/logging.ts'
import type { MediaEngine } from '../../media/engine.ts'
import { WebSocketTransport } from '../../sip/transport/wss.ts'
import type { SipEnvironment } from '../../sip/user-agent.ts'
import { createLadder } from '../ladder/ladder-endpoint.ts'
import type { Signalling } from '../signalling.ts'
import { readKeyPair } from './certificate.ts'
import { ClientAddresses } from './client-addresses.ts'
import { createIceServers } from './ice-servers.ts'
import { selfSigned } from './self-signed.ts'
import { TrustedProxies } from './trusted-proxies.ts'
import { type Health, openWeb, type WebServer } from './web.ts'

export interface BrowserSideOptions {
  readonly config: Config
  readonly environment: SipEnvironment
  readonly log: Log
  readonly signalling: Signalling
  readonly engine: MediaEngine
  /** Folder of the built softphone page. */
  readonly pagesFolder: string
  readonly isDraining: () => boolean
}

/** What browsers reach: pages and answers by HTTP, and SIP by WebSocket on the same listeners. */
export interface BrowserSide {
  readonly web: WebServer
  readonly sockets: WebSocketTransport
  /** Of the WebSocket, with what stands before every path. */
  readonly webSocketPath: string
  /** May be called twice. */
  close(): Promise<void>
}

const WEBSOCKET_PATH = '/sip'

/** Rejects when an address is taken or a certificate cannot be used; what was opened is closed again. */
export async function openBrowserSide(options: BrowserSideOptions): Promise<BrowserSide> {
  const { config, log, signalling, pagesFolder } = options
  const { mode, turn, tickets, calls } = signalling
  const clients = new ClientAddresses(new TrustedProxies(config.web.trustedProxies))
  const sockets = webSockets(options, clients)
  const webSocketPath = `${config.web.path}${WEBSOCKET_PATH}`
  try {
    const web = await openWeb({
      config: config.web,
      keyPairOf: async (files) => (files === undefined ? selfSigned(config) : readKeyPair(files)),
      pagesFolder,
      health: () => healthOf(options),
      clients,
      ladder: createLadder({ history: calls.history, tickets }),
      iceServers:
        turn === undefined || mode.registration === undefined
          ? undefined
          : createIceServers({ registration: mode.registration, turn, log, clients }),
      attach: (server) => sockets.attach(server, webSocketPath),
    })
    // A server waits for its upgraded connections, and closes none of them.
    const close = async (): Promise<void> => {
      sockets.close()
      await web.close()
    }
    return { web, sockets, webSocketPath, close }
  } catch (error) {
    sockets.close()
    throw error
  }
}

function webSockets(options: BrowserSideOptions, clients: ClientAddresses): WebSocketTransport {
  const { config, environment, log, signalling } = options
  const { maxConnections, maxConnectionsPerAddress, maxMessageBytes, maxBufferedBytes, pingMs } = config.web
  const { ofBrowsers, mode, userAgent } = signalling
  return new WebSocketTransport({
    origins: config.web.origins,
    token: environment.token,
    limits: { maxConnections, maxConnectionsPerAddress, maxMessageBytes, maxBufferedBytes, pingMs },
    clientOf: (request) => clients.of(request),
    isKnown: (flow) => mode.registrar.isKnown(flow) || userAgent.usesOf(flow) > 0,
    handler: {
      onOpen: (flow) => log.debug('websocket opened', { source: flow.remote.address }),
      onMessage: ofBrowsers.onMessage,
      onClose: (flow) => {
        ofBrowsers.onClose(flow)
        log.debug('websocket closed', { source: flow.remote.address })
      },
    },
  })
}

/** What `/healthz` says. */
function healthOf({ signalling, engine, isDraining }: BrowserSideOptions): Health {
  const { calls, mode, trunkWatch } = signalling
  const extensions = mode.counts()
  return {
    status: isDraining() ? 'draining' : engine.stalledThreads > 0 ? 'media-stalled' : 'ok',
    calls: calls.size,
    registrations: mode.registrar.size,
    mediaLoad: engine.load(),
    trunks: trunkWatch.counts(),
    ...(extensions === undefined ? {} : { extensions }),
  }
}
