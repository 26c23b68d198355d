import type { Config } from '../config/config.ts'
import { ownAddresses } from './addresses.ts'
import type { WebServer } from './web/web.ts'

/** What a newcomer reads first: where the page is, signed in by the URL's fragment (which never reaches a server log). */
export function demoBanner(config: Config, web: WebServer): string {
  const lines = config.users.flatMap((user) => {
    const fragment = `#user=${encodeURIComponent(user.name)}&password=${encodeURIComponent(user.password?.reveal() ?? '')}`
    return baseUrls(web).map((base) => `  ${user.name}: ${base}/${fragment}`)
  })
  return [
    '',
    'Webtrunk demo: open a URL, sign in, call "echo" to hear yourself, "tone" to hear a tone,',
    'or open the other user in a second window and call each other.',
    '',
    ...lines,
    '',
    'The https certificate is self-signed: the browser asks once. Passwords are new at each start.',
    'For real calls give a configuration file with trunks: npm start -- --config FILE',
    ...(config.admin.socket === undefined
      ? []
      : [`Calls as they go: npm start -- calls --socket ${config.admin.socket}`]),
    '',
    '',
  ].join('\n')
}

function baseUrls(web: WebServer): readonly string[] {
  const plain = web.http === undefined ? [] : [`http://localhost:${web.http.port}`]
  const port = web.https?.port
  // Microphones work on localhost or over https only.
  const secure =
    port === undefined ? [] : ownAddresses('IPv4', false).map((address) => `https://${address}:${port}`)
  return [...plain, ...secure]
}
