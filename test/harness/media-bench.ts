import { onTestFinished } from 'vitest'
import type {
  LegName,
  LegParameters,
  MediaEngine,
  MediaNote,
  MediaObserver,
  MediaSession,
  MediaStageEvent,
} from '../../media/engine.ts'
import type { MediaFailure } from '../../media/failure.ts'
import {
  createNativeEngine,
  type NativeEngineOptions,
  type NativeEngineParts,
} from '../../media/native-engine.ts'
import type { KeyPress, LocalTransport, RtpLocal, WebrtcLocal } from '../../media/parameters.ts'
import { ScriptedBrowser, type ScriptedBrowserOptions } from './scripted-browser.ts'
import { ScriptedTrunk, type ScriptedTrunkOptions } from './scripted-trunk.ts'
import { until } from './until.ts'

export const PCMU = { from: 0, to: 0, clockRateHz: 8000 }
export const PLAIN = { kind: 'rtp', localAddress: '127.0.0.1', suites: [] } as const
export const SDES = { kind: 'rtp', localAddress: '127.0.0.1', suites: ['AES_CM_128_HMAC_SHA1_80'] } as const

/** What an observer was told. */
export class MediaLog implements MediaObserver {
  readonly stages: { readonly leg: LegName; readonly event: MediaStageEvent }[] = []
  readonly keys: { readonly leg: LegName; readonly key: KeyPress }[] = []
  readonly failures: { readonly leg: LegName; readonly failure: MediaFailure }[] = []
  readonly notes: (MediaNote & { readonly leg: LegName })[] = []
  readonly moves: { readonly leg: LegName; readonly local: LocalTransport }[] = []

  onStage(leg: LegName, event: MediaStageEvent): void {
    this.stages.push({ leg, event })
  }

  onFailure(leg: LegName, failure: MediaFailure): void {
    this.failures.push({ leg, failure })
  }

  onKeyPress(leg: LegName, key: KeyPress): void {
    this.keys.push({ leg, key })
  }

  onNote(leg: LegName, note: MediaNote): void {
    this.notes.push({ leg, ...note })
  }

  onMoved(leg: LegName, local: LocalTransport): void {
    this.moves.push({ leg, local })
  }

  rungs(leg: LegName): readonly string[] {
    return this.stages
      .filter((one) => one.leg === leg)
      .map(({ event }) => (event.kind === 'first-packet' ? event.direction : event.kind))
  }
}

/** On loopback; closes with the test, as all that is opened here. */
export function openEngine(
  options: Partial<NativeEngineOptions> = {},
  parts: NativeEngineParts = {},
): MediaEngine {
  const engine = createNativeEngine(
    {
      addresses: ['127.0.0.1'],
      announced: [],
      webrtcPort: 0,
      rtpPortMin: 20_000,
      rtpPortMax: 29_999,
      portRestMs: 1000,
      latchMs: 500,
      iceTimeoutMs: 10_000,
      dtlsTimeoutMs: 10_000,
      consentTimeoutMs: 30_000,
      maxSessions: 10,
      ...options,
    },
    parts,
  )
  onTestFinished(() => engine.close())
  return engine
}

export async function openBrowser(options: ScriptedBrowserOptions = {}): Promise<ScriptedBrowser> {
  const browser = await ScriptedBrowser.open(options)
  onTestFinished(() => browser.close())
  return browser
}

export async function openTrunk(options: ScriptedTrunkOptions = {}): Promise<ScriptedTrunk> {
  const trunk = await ScriptedTrunk.open(options)
  onTestFinished(() => trunk.close())
  return trunk
}

export async function addWebrtc(session: MediaSession, name: LegName = 'caller'): Promise<WebrtcLocal> {
  const local = await session.addLeg(name, { kind: 'webrtc' })
  if (local.kind !== 'webrtc') throw new Error('not a browser leg')
  return local
}

export async function addRtp(
  session: MediaSession,
  parameters: LegParameters & { readonly kind: 'rtp' },
  name: LegName = 'callee',
): Promise<RtpLocal> {
  const local = await session.addLeg(name, parameters)
  if (local.kind !== 'rtp') throw new Error('not a trunk leg')
  return local
}

/** A browser with its keys in place. */
export async function connect(
  session: MediaSession,
  browser: ScriptedBrowser,
  log: MediaLog,
  name: LegName = 'caller',
): Promise<WebrtcLocal> {
  const local = await addWebrtc(session, name)
  await session.setRemote(name, browser.remote)
  await browser.check(local)
  browser.startDtls()
  await browser.connected()
  await until(() => log.rungs(name).includes('keys-ready'))
  return local
}
