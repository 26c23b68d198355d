import { randomBytes } from 'node:crypto'
import type { Config, TrunkConfig } from '../../config/config.ts'
import type { CallReport } from '../../gateway/ladder/call-report.ts'
import type { NativeEngineOptions } from '../../media/native-engine.ts'
import type { Codec, Direction, RtpLocal, SdesKey, WebrtcLocal } from '../../media/parameters.ts'
import { createAnswer } from '../../sdp/answer.ts'
import { answerableCodecs, STANDARD_CODECS } from '../../sdp/codecs.ts'
import { createOffer, readOffer } from '../../sdp/offer.ts'
import type { IncomingInvite } from '../../sip/user-agent.ts'
import { type CheckOptions, ScriptedBrowser, type ScriptedBrowserOptions } from './scripted-browser.ts'
import { BROWSER, PeerDialog, PHONE, type PlacedCall, place, ringing, sdp } from './scripted-calls.ts'
import { type Peer, ScriptedGateway } from './scripted-gateway.ts'
import { ScriptedTrunk, sdesKey } from './scripted-trunk.ts'
import { until } from './until.ts'

const ORIGIN = { sessionId: '1', version: 1 }
const SUITE = 'AES_CM_128_HMAC_SHA1_80'
export const PCMA = 8

export interface MediaCallOptions {
  /** That of a call before this one, which closes it. */
  readonly gateway?: ScriptedGateway
  readonly config?: Partial<Config>
  readonly trunk?: Partial<TrunkConfig>
  readonly media?: Partial<NativeEngineOptions>
  readonly browser?: ScriptedBrowserOptions
  /** What becomes of the browser's offer on its way to us. */
  readonly onOffer?: (text: string) => string
  /** What becomes of the trunk's answer on its way to us. */
  readonly onAnswer?: (text: string) => string
  readonly answerDirection?: Direction
  readonly codecs?: readonly Codec[]
}

/**
 * A browser that calls a trunk through the gateway: signalling on links in memory and virtual time, media by UDP and real
 * cryptography, each end driven by the test.
 */
export class MediaCall {
  readonly gateway: ScriptedGateway
  readonly browser: ScriptedBrowser
  readonly trunk: ScriptedTrunk
  readonly peer: Peer
  /** The key that the trunk's answer names; undefined for plain RTP. */
  readonly trunkKey: SdesKey | undefined
  readonly #options: MediaCallOptions
  call: PlacedCall | undefined
  #invite: IncomingInvite | undefined
  caller: PeerDialog
  readonly callee: PeerDialog

  static async open(options: MediaCallOptions = {}): Promise<MediaCall> {
    const gateway =
      options.gateway ??
      (await ScriptedGateway.open(options.config ?? {}, options.trunk, { media: options.media }))
    gateway.verdicts.isWithoutMedia = false
    const peer = await gateway.registered('alice')
    const browser = await ScriptedBrowser.open(options.browser)
    return new MediaCall(gateway, peer, browser, await ScriptedTrunk.open(), options)
  }

  private constructor(
    gateway: ScriptedGateway,
    peer: Peer,
    browser: ScriptedBrowser,
    trunk: ScriptedTrunk,
    options: MediaCallOptions,
  ) {
    this.gateway = gateway
    this.peer = peer
    this.browser = browser
    this.trunk = trunk
    this.#options = options
    this.trunkKey = options.trunk?.media === 'sdes' ? sdesKey(1, SUITE, randomBytes(30)) : undefined
    const [fingerprint] = browser.remote.fingerprints
    const { ice } = browser.remote
    this.caller = new PeerDialog({
      ...(BROWSER as WebrtcLocal),
      ice,
      ...(fingerprint === undefined ? {} : { fingerprint }),
    })
    const port = Number(trunk.address.split(':')[1])
    this.callee = new PeerDialog({
      ...(PHONE as RtpLocal),
      rtp: { address: '127.0.0.1', port },
      crypto: this.trunkKey === undefined ? [] : [this.trunkKey],
    })
  }

  /** INVITE and 200. */
  async answer(): Promise<void> {
    const {
      onOffer = same,
      onAnswer = same,
      answerDirection = 'sendrecv',
      codecs = STANDARD_CODECS,
    } = this.#options
    const { text } = createOffer({ local: this.caller.local, codecs, origin: ORIGIN, direction: 'sendrecv' })
    const setup = this.#options.browser?.setup
    const offer = setup === undefined ? text : text.replace('a=setup:actpass', `a=setup:${setup}`)
    this.call = place(this.peer, 'alice', '0100', { body: sdp(onOffer(offer)), handler: this.caller.handler })
    this.gateway.trunk.invites.length = 0
    this.#invite = await ringing(this.gateway, this.gateway.trunk)
    const local = this.callee.local as RtpLocal
    const read = readOffer(this.#invite.request.body, 'rtp', {
      suites: local.crypto.map(({ suite }) => suite),
    })
    const answer = createAnswer({
      offer: read,
      local,
      codecs: answerableCodecs(read, read.codecs).slice(0, 1),
      origin: ORIGIN,
      direction: answerDirection,
    })
    this.callee.dialog = this.#invite.accept({ body: sdp(onAnswer(answer)) }, this.callee.handler)
    await this.gateway.time.advance(100)
    this.caller.dialog = this.call.dialog
  }

  /** The browser's ICE and DTLS, up to keys. */
  async connectBrowser(): Promise<void> {
    await this.check()
    this.browser.startDtls()
    await this.browser.connected()
    await until(() => this.rung('caller', 'S5') === 'climbed')
  }

  /** Another peer that sends to the trunk's port of ours. */
  async strangerAtTrunk(): Promise<ScriptedTrunk> {
    const stranger = await ScriptedTrunk.open()
    stranger.connect({ ...(PHONE as RtpLocal), rtp: { address: '127.0.0.1', port: this.#trunkPort() } })
    return stranger
  }

  /** Waits until the relay has dropped so many packets of a leg for this reason. */
  async dropped(leg: string, reason: string, count: number): Promise<void> {
    let seen = 0
    for (let turn = 0; turn < 500 && seen < count; turn += 1) {
      seen = (await this.gateway.sessions.at(-1)?.stats())?.legs[leg]?.drops[reason] ?? 0
      if (seen < count) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    if (seen < count) {
      const stats = await this.gateway.sessions.at(-1)?.stats()
      throw new Error(`${seen} of ${count} ${reason}: ${JSON.stringify(stats)}`)
    }
  }

  /** The trunk's receiver report: this share of what it should have got is lost. */
  async reportLoss(share: number): Promise<void> {
    const [first] = this.trunk.received
    const last = this.trunk.received.at(-1)
    if (first === undefined || last === undefined) throw new Error('the trunk has received nothing')
    const expected = last.sequence - first.sequence + 1
    const report = Buffer.alloc(32)
    report.writeUInt32BE(0x81c9_0007, 0)
    report.writeUInt32BE(this.trunk.ssrc, 4)
    report.writeUInt32BE(last.ssrc, 8)
    report.writeUInt8(Math.round(share * 255), 12)
    report.writeUIntBE(Math.round(expected * share), 13, 3)
    report.writeUInt32BE(last.sequence, 16)
    this.trunk.sendRtcp(report)
    const told = async (): Promise<number | undefined> =>
      (await this.gateway.sessions.at(-1)?.stats())?.legs.callee?.remoteLossRatio
    for (let turn = 0; turn < 300 && (await told()) === undefined; turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** An authenticated check, repeated until it is answered. */
  async check(options: CheckOptions = {}): Promise<void> {
    await this.browser.check(this.browserLocal, options)
  }

  /** Our side of the browser's leg, as our answer says it. */
  get browserLocal(): WebrtcLocal {
    const text = typeof this.call?.final === 'object' ? this.call.final.body.toString() : ''
    const value = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? ''
    const candidate = /a=candidate:\S+ 1 udp \d+ (\S+) (\d+)/i.exec(text)
    return {
      ...(BROWSER as WebrtcLocal),
      ice: { ufrag: value(/a=ice-ufrag:(\S+)/), pwd: value(/a=ice-pwd:(\S+)/) },
      candidates: [
        {
          foundation: '1',
          priority: 1,
          type: 'host',
          address: candidate?.[1] ?? '',
          port: Number(candidate?.[2]),
        },
      ],
    }
  }

  /** `sends`: another key than the answer named. */
  connectTrunk(sends: SdesKey | undefined = this.trunkKey): void {
    const text = this.#invite?.request.body.toString() ?? ''
    const local: RtpLocal = {
      ...(PHONE as RtpLocal),
      rtp: { address: '127.0.0.1', port: this.#trunkPort() },
    }
    const offered = new RegExp(`a=crypto:\\d+ ${SUITE} inline:([A-Za-z0-9+/=]+)`).exec(text)?.[1]
    const receives = sdesKey(1, SUITE, Buffer.from(offered ?? '', 'base64'))
    this.trunk.connect(local, sends === undefined ? undefined : { sends, receives })
  }

  #trunkPort(): number {
    return Number(/m=audio (\d+)/.exec(this.#invite?.request.body.toString() ?? '')?.[1])
  }

  /** So many packets from each end that is named, and until the relay has seen the last of them. */
  async speak(
    from: { readonly browser?: number; readonly trunk?: number },
    payload: (index: number) => Buffer = noise,
  ): Promise<void> {
    const { browser = 0, trunk = 0 } = from
    const before = await this.#counted()
    for (let sent = 0; sent < Math.max(browser, trunk); sent += BURST) {
      const end = sent + BURST
      for (let index = sent; index < end; index += 1) {
        if (index < browser) this.browser.sendRtp(PCMA, payload(index))
        if (index < trunk) this.trunk.sendRtp(PCMA, payload(index))
      }
      await this.#arrived({
        browser: before.browser + Math.min(browser, end),
        trunk: before.trunk + Math.min(trunk, end),
      })
    }
  }

  /** Throws when not so many have come within 5 s. */
  async #arrived(expected: { readonly browser: number; readonly trunk: number }): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const now = await this.#counted()
      if (now.browser >= expected.browser && now.trunk >= expected.trunk) return
      if (turn === 1_000)
        throw new Error(`the relay has seen ${JSON.stringify(now)} of ${JSON.stringify(expected)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Lets the gateway look at its figures: seconds of virtual time. */
  async look(seconds = 6): Promise<CallReport> {
    await this.gateway.time.advance(seconds * 1_000)
    return this.report()
  }

  report(): CallReport {
    const [report] = this.gateway.calls.history.list()
    if (report === undefined) throw new Error('no call')
    return report
  }

  rung(leg: string, stage: string, direction?: string): string | undefined {
    return this.report()
      .legs.find(({ name }) => name === leg)
      ?.rungs.find((rung) => rung.stage === stage && rung.direction === direction)?.state
  }

  /** Packets that came in on each leg, taken or dropped. */
  async #counted(): Promise<{ browser: number; trunk: number }> {
    // The engine is asked, not the call: its figures are of the last look.
    const legs = (await this.gateway.sessions.at(-1)?.stats())?.legs
    const total = (name: string): number => {
      const stats = legs?.[name]
      if (stats === undefined) return 0
      const drops = Object.entries(stats.drops).filter(
        ([reason]) => !reason.startsWith('rtp.unmapped') && !COUNTED_ELSEWHERE.has(reason),
      )
      return stats.packetsReceived + drops.reduce((sum, [, count]) => sum + count, 0)
    }
    return { browser: total('caller'), trunk: total('callee') }
  }

  async close(): Promise<void> {
    this.browser.close()
    this.trunk.close()
    if (this.#options.gateway === undefined) await this.gateway.close({ hangsUp: true })
  }
}

/** Drops of packets that were counted as received, or of what is to go out on a leg. */
const COUNTED_ELSEWHERE: ReadonlySet<string> = new Set([
  'media.no-route',
  'media.no-target',
  'srtp.no-keys',
  'media.playing',
])

const same = (text: string): string => text

/** A socket of a trunk leg holds eighty such datagrams and more. */
const BURST = 50

/** 20 ms of G.711 that is no silence. */
export const noise = (): Buffer => randomBytes(160)
