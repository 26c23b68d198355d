import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { sine } from '../../gateway/selftest/selftest-tone.ts'
import {
  type BrowserPage,
  COLLECT_PEER_CONNECTIONS,
  LIVE_PEAK,
  RELAY_ONLY,
  SoftphonePage,
} from './browser-page.ts'
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

interface ChromiumOptions {
  /** As behind a firewall: its calls may use no candidate but those of a TURN server. */
  readonly isRelayed?: boolean
}

/**
 * A Chromium whose microphone gives beeps of a known tone. It takes seconds to start, so the tests of a file share one; each page is
 * in a profile of its own.
 */
export class Chromium {
  readonly #browser: Browser
  readonly #folder: string
  readonly #options: ChromiumOptions

  static async start(toneHz: number, options: ChromiumOptions = {}): Promise<Chromium> {
    const folder = await mkdtemp(join(tmpdir(), 'webtrunk-chromium-'))
    const file = join(folder, 'microphone.wav')
    await writeFile(file, microphone(toneHz))
    const browser = await chromium.launch({
      executablePath: EXECUTABLE,
      args: [...ARGUMENTS, `--use-file-for-fake-audio-capture=${file}`],
    })
    return new Chromium(browser, folder, options)
  }

  private constructor(browser: Browser, folder: string, options: ChromiumOptions) {
    this.#browser = browser
    this.#folder = folder
    this.#options = options
  }

  async newPage(): Promise<BrowserPage> {
    const context = await this.#browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone'] })
    await context.addInitScript(COLLECT_PEER_CONNECTIONS)
    if (this.#options.isRelayed === true) await context.addInitScript(RELAY_ONLY)
    const page = await context.newPage()
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
      close: () => context.close(),
    }
  }

  async newSoftphone(): Promise<SoftphonePage> {
    return new SoftphonePage(await this.newPage())
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
