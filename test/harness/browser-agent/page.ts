import type { AgentOptions, BrowserAgentInPage } from './agent.ts'
import { JssipAgent } from './jssip-agent.ts'
import { SipjsAgent } from './sipjs-agent.ts'

declare global {
  interface Window {
    agentOfTest: BrowserAgentInPage
    startAgentOfTest: (options: AgentOptions) => Promise<void>
    /** In order, `>>> ` for sent and `<<< ` for received. */
    sipMessagesOfTest: string[]
  }
}

window.sipMessagesOfTest = []

const NativeWebSocket = window.WebSocket
window.WebSocket = class extends NativeWebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols)
    this.addEventListener('message', ({ data }) => window.sipMessagesOfTest.push(`<<< ${String(data)}`))
  }

  override send(data: string): void {
    window.sipMessagesOfTest.push(`>>> ${data}`)
    super.send(data)
  }
}

const HURRY_FROM_MS = 20_000

const hurry = (): void => {
  const native = window.setTimeout.bind(window)
  const hurried = (handler: () => void, delayMs = 0, ...args: readonly unknown[]): number =>
    native(handler, delayMs >= HURRY_FROM_MS ? delayMs / 10 : delayMs, ...args)
  window.setTimeout = hurried as typeof window.setTimeout
}

window.startAgentOfTest = async (options) => {
  if (options.hurries) hurry()
  window.agentOfTest = options.stack === 'jssip' ? new JssipAgent(options) : new SipjsAgent(options)
  await window.agentOfTest.register()
}
