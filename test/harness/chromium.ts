import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'
import {
  type BrowserPage,
  COLLECT_PEER_CONNECTIONS,
  LIVE_PEAK,
  RELAY_ONLY,
  SoftphonePage,
} from './browser-page.ts'
import { sine } from './goertzel.ts'
import { formatWav } from './wav.ts'

const EXECUTABLE = '/usr/bin/chromium'
const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
]

const SAMPLE_RATE_HZ = 48_000
const BEEP_MS = 400
const PAUSE_MS = 100

/** Beeps rather than one long tone: the browser's noise suppression takes a steady tone for noise. */
const microphone = (toneHz: number): Buffer => {
  const beep = sine(SAMPLE_RATE_HZ, toneHz, BEEP_MS)
  const period = new Float32Array(beep.length + (SAMPLE_RATE_HZ * PAUSE_MS) / 1000)
  period.set(beep)
  const samples = new Float32Array(period.length * 20)
  for (let at = 0; at < samples.length; at += period.length) samples.set(period, at)
  return formatWav(samples, SAMPLE_RATE_HZ)
}

/** A Chromium of its own (fresh profile) whose microphone gives beeps of a known tone. */
export class Chromium {
  readonly #context: BrowserContext
  readonly #folder: string

  /** `isRelayed`: as behind a firewall, its calls may use no candidate but those of a TURN server. */
  static async start(toneHz: number, options: { readonly isRelayed?: boolean } = {}): Promise<Chromium> {
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-chromium-'))
    const file = join(folder, 'microphone.wav')
    await writeFile(file, microphone(toneHz))
    const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: EXECUTABLE,
      args: [...ARGUMENTS, `--use-file-for-fake-audio-capture=${file}`],
      ignoreHTTPSErrors: true,
      permissions: ['microphone'],
    })
    await context.addInitScript(COLLECT_PEER_CONNECTIONS)
    if (options.isRelayed === true) await context.addInitScript(RELAY_ONLY)
    return new Chromium(context, folder)
  }

  private constructor(context: BrowserContext, folder: string) {
    this.#context = context
    this.#folder = folder
  }

  async newPage(): Promise<BrowserPage> {
    const page = await this.#context.newPage()
    const console: string[] = []
    page.on('console', (message) => console.push(message.text()))
    page.on('pageerror', (error) => console.push(String(error)))
    return {
      goto: async (url) => {
        await page.goto(url)
      },
      click: (selector) => page.click(selector),
      fill: (selector, text) => page.fill(selector, text),
      evaluate: (source) => page.evaluate(source),
      peakExpression: LIVE_PEAK,
      console,
      close: () => page.close(),
    }
  }

  async newSoftphone(): Promise<SoftphonePage> {
    return new SoftphonePage(await this.newPage())
  }

  async close(): Promise<void> {
    await this.#context.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
