import { Web } from 'sip.js'
import type { Place } from './account.ts'
import { deviceInstance } from './device-instance.ts'
import { openMicrophone } from './microphone.ts'

/** Beside the page, wherever a proxy has put it. */
const webSocketUrl = (): string => {
  const url = new URL('sip', location.origin + location.pathname)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return url.href
}

/** This tab of this browser. */
export const thisPage = (): Place => ({
  domain: location.hostname,
  webSocketUrl: webSocketUrl(),
  instance: deviceInstance(sessionStorage),
  network: window,
  descriptions: Web.defaultSessionDescriptionHandlerFactory(openMicrophone),
})
