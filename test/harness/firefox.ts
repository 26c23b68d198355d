import { type Browser, launch } from 'puppeteer-core'
import { type BrowserPage, COLLECT_PEER_CONNECTIONS, RECORDED_PEAK, SoftphonePage } from './browser-page.ts'

const EXECUTABLE = '/usr/bin/firefox-esr'

/** What its fake microphone gives. */
export const FIREFOX_MICROPHONE_HZ = 1000

/** The tests of a file share one; each page is in a profile of its own. */
export class Firefox {
  readonly #browser: Browser

  static async start(): Promise<Firefox> {
    const browser = await launch({
      browser: 'firefox',
      executablePath: EXECUTABLE,
      headless: true,
      acceptInsecureCerts: true,
      extraPrefsFirefox: {
        'media.navigator.streams.fake': true,
        'media.navigator.permission.disabled': true,
        'media.autoplay.default': 0,
        'media.autoplay.blocking_policy': 0,
        'network.captive-portal-service.enabled': false,
        'network.connectivity-service.enabled': false,
      },
    })
    return new Firefox(browser)
  }

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  async newPage(): Promise<BrowserPage> {
    const context = await this.#browser.createBrowserContext()
    const page = await context.newPage()
    const console: string[] = []
    page.on('console', (message) => console.push(message.text()))
    page.on('pageerror', (error) => console.push(String(error)))
    await page.evaluateOnNewDocument(COLLECT_PEER_CONNECTIONS)
    return {
      goto: async (url) => {
        await page.goto(url)
      },
      click: (selector) => page.click(selector),
      fill: (selector, text) => page.locator(selector).fill(text),
      evaluate: (source) => page.evaluate(source),
      peakExpression: RECORDED_PEAK,
      console,
      close: () => context.close(),
    }
  }

  async newSoftphone(): Promise<SoftphonePage> {
    return new SoftphonePage(await this.newPage())
  }

  async close(): Promise<void> {
    await this.#browser.close()
  }
}
