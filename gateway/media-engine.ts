import type { Config } from '../config/config.ts'
import type { Log } from '../config/logging.ts'
import type { MediaEngine } from '../media/engine.ts'
import { createNativeEngine } from '../media/native-engine.ts'
import { mostCalls } from './calls/capacity.ts'

/** The media engine as the configuration wants it. */
export function openMediaEngine(config: Config, log: Log): MediaEngine {
  const { media, udp, upstream } = config
  const options = {
    addresses: media.addresses,
    announced: media.announced,
    ownAddresses: [udp, upstream?.local].flatMap((local) =>
      local === undefined ? [] : [...local.host, ...local.announced],
    ),
    threads: media.threads,
    webrtcPort: media.webrtcPort,
    rtpPortMin: media.rtpPortMin,
    rtpPortMax: media.rtpPortMax,
    portRestMs: media.portRestS * 1_000,
    latchMs: media.latchMs,
    iceTimeoutMs: media.iceTimeoutS * 1_000,
    dtlsTimeoutMs: media.dtlsTimeoutS * 1_000,
    consentTimeoutMs: media.consentTimeoutS * 1_000,
    maxLoad: media.maxLoad / 100,
    gatherUs: media.gatherUs,
    maxSessions: mostCalls(config),
    dscp: config.dscp.media,
  }
  return createNativeEngine(options, {
    report: (error) => log.error('internal error in media', { error }),
    onStalled: (name, thread) =>
      log.error('a media thread does not answer: its calls are silent', {
        thread: name,
        state: thread?.state,
        systemCall: thread?.systemCall,
      }),
    onRecovered: (name) => log.warn('a media thread answers again', { thread: name }),
  })
}
