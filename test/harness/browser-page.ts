import { type WaitOptions, waitFor } from './wait-for.ts'

/** What Playwright's and Puppeteer's pages have in common, as far as the tests go. */
export interface BrowserPage {
  goto(url: string): Promise<void>
  click(selector: string): Promise<void>
  fill(selector: string, text: string): Promise<void>
  /** `source` is an expression; a promise is awaited. */
  evaluate(source: string): Promise<unknown>
  /** The expression that gives `{ hz, db }`, the strongest frequency of what the newest peer connection plays. */
  readonly peakExpression: string
  /** Console messages and uncaught errors so far. */
  readonly console: readonly string[]
  close(): Promise<void>
}

/** Runs before the page's own scripts: keeps every RTCPeerConnection where the tests find it. */
export const COLLECT_PEER_CONNECTIONS = `(() => {
  const Native = window.RTCPeerConnection
  window.peerConnectionsOfTest = []
  // The newest that is still open, else the newest.
  window.liveConnectionOfTest = () =>
    window.peerConnectionsOfTest.findLast(({ signalingState }) => signalingState !== 'closed') ??
    window.peerConnectionsOfTest.at(-1)
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args)
      window.peerConnectionsOfTest.push(this)
    }
  }
})()`

/** Runs before the page's own scripts, after `COLLECT_PEER_CONNECTIONS`. */
export const RELAY_ONLY = `(() => {
  const Collected = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Collected {
    constructor(configuration, ...more) {
      super({ ...configuration, iceTransportPolicy: 'relay' }, ...more)
    }
  }
})()`

/** Over the last 170 ms. */
export const LIVE_PEAK = `(async () => {
  const connection = window.liveConnectionOfTest()
  const track = connection?.getReceivers().find((receiver) => receiver.track?.kind === 'audio')?.track
  if (!track) return { hz: 0, db: -Infinity }
  if (window.toneProbeOfTest?.track !== track) {
    await window.toneProbeOfTest?.context.close()
    const context = new AudioContext()
    await context.resume()
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 })
    const source = context.createMediaStreamSource(new MediaStream([track]))
    source.connect(analyser)
    window.toneProbeOfTest = { track, context, analyser, source }
  }
  const { analyser, context } = window.toneProbeOfTest
  const bins = new Float32Array(analyser.frequencyBinCount)
  analyser.getFloatFrequencyData(bins)
  let best = 1
  for (let bin = 1; bin < bins.length; bin += 1) if (bins[bin] > bins[best]) best = bin
  return { hz: (best * context.sampleRate) / analyser.fftSize, db: bins[best] }
})()`

/** Over half a second, by recording: Firefox starts no live AudioContext on a machine without a loudspeaker. */
export const RECORDED_PEAK = `(async () => {
  const connection = window.liveConnectionOfTest()
  const track = connection?.getReceivers().find((receiver) => receiver.track?.kind === 'audio')?.track
  if (!track || track.readyState !== 'live') return { hz: 0, db: -Infinity }
  const recorder = new MediaRecorder(new MediaStream([track]))
  const parts = []
  recorder.ondataavailable = ({ data }) => parts.push(data)
  const stopped = new Promise((resolve) => { recorder.onstop = resolve })
  recorder.start()
  setTimeout(() => recorder.stop(), 500)
  await stopped
  const recording = await new Blob(parts).arrayBuffer()
  if (recording.byteLength === 0) return { hz: 0, db: -Infinity }
  const sampleRate = 48000
  const buffer = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(recording)
  const context = new OfflineAudioContext(1, buffer.length, sampleRate)
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 })
  const source = new AudioBufferSourceNode(context, { buffer })
  source.connect(analyser).connect(context.destination)
  source.start()
  await context.startRendering()
  const bins = new Float32Array(analyser.frequencyBinCount)
  analyser.getFloatFrequencyData(bins)
  let best = 1
  for (let bin = 1; bin < bins.length; bin += 1) if (bins[bin] > bins[best]) best = bin
  return { hz: (best * sampleRate) / analyser.fftSize, db: bins[best] }
})()`

const SOUND = `(async () => {
  const audio = document.getElementById('remote-audio')
  const before = audio.currentTime
  await new Promise((resolve) => setTimeout(resolve, 200))
  return !audio.paused && audio.currentTime > before && document.getElementById('level-in').value > 0.3
})()`

const STATS = `(async () => {
  const connection = window.liveConnectionOfTest()
  if (!connection) return undefined
  const report = [...(await connection.getStats()).values()]
  const inbound = report.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'audio')
  const outbound = report.find((entry) => entry.type === 'outbound-rtp' && entry.kind === 'audio')
  const transport = report.find((entry) => entry.type === 'transport')
  const codec = report.find((entry) => entry.id === inbound?.codecId)
  return {
    packetsReceived: inbound?.packetsReceived ?? 0,
    packetsLost: inbound?.packetsLost ?? 0,
    packetsSent: outbound?.packetsSent ?? 0,
    codec: codec?.mimeType,
    srtpCipher: transport?.srtpCipher,
    connectionState: connection.connectionState,
  }
})()`

export interface CallStats {
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly packetsSent: number
  /** `audio/PCMU` */
  readonly codec: string | undefined
  /** Only Chromium says. */
  readonly srtpCipher: string | undefined
  readonly connectionState: string
}

export type PageCallState = 'none' | 'dialling' | 'ringing' | 'incoming' | 'answering' | 'active'

const TONE_TOLERANCE_HZ = 15
const TONE_MIN_DB = -55
const SILENCE_DB = -75
const SILENCE_MS = 1_000

/** The softphone page, used as a person would: by its buttons and what it shows. */
export class SoftphonePage {
  readonly #page: BrowserPage

  constructor(page: BrowserPage) {
    this.#page = page
  }

  get console(): readonly string[] {
    return this.#page.console
  }

  /** Opens `url` (with user and password in its fragment) and presses Sign in. */
  async open(url: string): Promise<void> {
    await this.#page.goto(url)
    await this.#page.click('#sign-in-button')
  }

  /** As one who types another address. */
  async leave(): Promise<void> {
    await this.#page.goto('about:blank')
  }

  async signIn(url: string): Promise<void> {
    await this.open(url)
    await this.waitForRegistration('registered')
  }

  /** With the user that is in the form. */
  async signInAgain(password: string): Promise<void> {
    await this.#page.fill('#password', password)
    await this.#page.click('#sign-in-button')
  }

  async click(selector: string): Promise<void> {
    await this.#page.click(selector)
  }

  async fill(selector: string, text: string): Promise<void> {
    await this.#page.fill(selector, text)
  }

  async signOut(): Promise<void> {
    await this.#page.click('#sign-out')
  }

  async dial(number: string): Promise<void> {
    await this.#page.fill('#number', number)
    await this.#page.click('#dial button[type=submit]')
  }

  async answer(): Promise<void> {
    await this.#page.click('#answer')
  }

  async hangUp(): Promise<void> {
    await this.#page.click('#hang-up')
  }

  async toggleMute(): Promise<void> {
    await this.#page.click('#mute')
  }

  async waitForRegistration(state: string, options?: WaitOptions): Promise<void> {
    await this.#waitForData('registration', state, options)
  }

  async waitForCall(state: PageCallState, options?: WaitOptions): Promise<void> {
    await this.#waitForData('call', state, options)
  }

  /** Waits until the page tells of a problem, and gives its words. */
  async problem(): Promise<string> {
    return waitFor('a problem on the page', async () => (await this.text('#problem')) || undefined)
  }

  async text(selector: string): Promise<string> {
    return String(
      await this.#page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ''`),
    )
  }

  async evaluate(source: string): Promise<unknown> {
    return this.#page.evaluate(source)
  }

  /** The strongest frequency that is being heard now. */
  async peak(): Promise<{ readonly hz: number; readonly db: number }> {
    return (await this.#page.evaluate(this.#page.peakExpression)) as { hz: number; db: number }
  }

  async waitForTone(frequencyHz: number, options?: WaitOptions): Promise<void> {
    let last = { hz: 0, db: Number.NEGATIVE_INFINITY }
    await waitFor(
      `${frequencyHz} Hz in the page`,
      async () => {
        last = await this.peak()
        return Math.abs(last.hz - frequencyHz) <= TONE_TOLERANCE_HZ && last.db >= TONE_MIN_DB
      },
      options,
      () => `heard ${last.hz} Hz at ${last.db} dB\n${this.console.join('\n')}`,
    )
  }

  /** Waits until the page plays sound, by its own meter and its loudspeaker. */
  async waitForSound(options?: WaitOptions): Promise<void> {
    await waitFor('sound in the page', async () => (await this.evaluate(SOUND)) === true, options)
  }

  /** For as long as several beeps of the microphone would take. */
  async waitForSilence(options?: WaitOptions): Promise<void> {
    let silentSinceMs: number | undefined
    await waitFor(
      'silence in the page',
      async () => {
        const { db } = await this.peak()
        silentSinceMs = db < SILENCE_DB ? (silentSinceMs ?? performance.now()) : undefined
        return silentSinceMs !== undefined && performance.now() - silentSinceMs >= SILENCE_MS
      },
      options,
    )
  }

  async stats(): Promise<CallStats> {
    return (await this.#page.evaluate(STATS)) as CallStats
  }

  /** Waits until packets flow both ways. */
  async waitForPackets(count = 50): Promise<CallStats> {
    return waitFor(`${count} packets both ways`, async () => {
      const stats = await this.stats()
      return stats.packetsReceived >= count && stats.packetsSent >= count ? stats : undefined
    })
  }

  async close(): Promise<void> {
    await this.#page.close()
  }

  async #waitForData(name: 'registration' | 'call', wanted: string, options?: WaitOptions): Promise<void> {
    let seen = ''
    let problem = ''
    await waitFor(
      `${name} ${wanted} on the page`,
      async () => {
        seen = String(await this.#page.evaluate(`document.body.dataset.${name}`))
        problem = await this.text('#problem')
        return seen === wanted
      },
      options,
      () => `it is ${seen}; problem: ${problem}\n${this.console.join('\n')}`,
    )
  }
}
