/**
 * Two accounts at one provider: a call that came for the second was found to be its, but challenges to what we sent in its dialog
 * were answered with the account of the first.
 */
import { afterEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import { Secret } from '../../../config/secret.ts'
import { TrunkTable } from '../../../gateway/trunks/trunk.ts'
import { TrunkTransports } from '../../../gateway/trunks/trunk-transports.ts'
import { header } from '../../../sip/message/headers.ts'
import { NamedFlow } from '../../../sip/named-flow.ts'
import type { DialogHandler } from '../../../sip/user-agent.ts'
import {
  answerText,
  answerTo,
  BROWSER,
  offerOf,
  PeerDialog,
  PHONE,
  place,
  reofferOf,
  ringing,
  statusOf,
} from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { resolverOf, trunkConfig } from '../../harness/trunk-config.ts'

const PORTS = { first: 5_070, second: 5_071 }
const TRUNKS = (['first', 'second'] as const).map((name) =>
  trunkConfig({
    name,
    port: PORTS[name],
    codecs: ['PCMA', 'PCMU'],
    account: {
      user: `user of ${name}`,
      password: new Secret(name),
      md5: true,
      register: false,
      expiresS: 300,
      bulk: false,
    },
  }),
)

let close: () => unknown = () => {}
afterEach(() => close())

it.each(['first', 'second'] as const)(
  'a challenge in a call from the %s is answered by its account',
  async (name) => {
    const gateway = await ScriptedGateway.open({ trunks: TRUNKS })
    close = () => gateway.close()
    const alice = await gateway.registered('alice')
    const signed: (string | undefined)[] = []
    const handler: DialogHandler = {
      ...new PeerDialog(PHONE).handler,
      onReinvite: (reinvite) => {
        signed.push(header(reinvite.request, 'Authorization'))
        const challenge = {
          name: 'WWW-Authenticate',
          value: 'Digest realm="provider", nonce="n", algorithm=MD5',
        }
        if (signed.length === 1) reinvite.reject(401, { headers: [challenge] })
        else reinvite.accept({ body: answerText(reinvite.request.body, PHONE, 'sendrecv') })
      },
    }
    const call = place(gateway.trunkAt(PORTS[name]).peer, '0301234', 'alice', {
      body: offerOf(PHONE),
      handler,
    })
    const invite = await ringing(gateway, alice)
    const browser = new PeerDialog(BROWSER)
    browser.dialog = invite.accept({ body: answerTo(invite, BROWSER) }, browser.handler)
    await gateway.time.advance(100)
    expect(statusOf(call)).toBe(200)
    await browser.reoffer(gateway, reofferOf(BROWSER, 'sendonly'))
    expect(signed).toEqual([undefined, expect.stringContaining(`username="user of ${name}"`)])
    call.dialog?.bye()
    await gateway.time.advance(100)
  },
)

it('a connection for what is too large is that of the trunk that asks', async () => {
  const listener = { host: ['127.0.0.1'], port: 0 }
  const trunks = new TrunkTable(TRUNKS, { resolver: resolverOf(), nowMs: () => 0, supported: ['udp'] })
  await trunks.refresh()
  let tokens = 0
  const transports = await TrunkTransports.open({
    config: {
      ...loadConfig(undefined, {}),
      trunks: TRUNKS,
      udp: { announced: [], ...listener },
      tcp: listener,
    },
    trunks,
    token: () => String(tokens++),
    log: { error() {}, warn() {}, info() {}, debug() {}, child: () => expect.fail('no child is asked for') },
    handler: { onMessage: () => {}, onClose: () => {} },
    onSocket: () => {},
  })
  close = () => transports.close()
  const ways = trunks.names.flatMap((name) => trunks.get(name)?.servers[0]?.paths ?? [])
  const flows = ways.map((path) => transports.flowTo(path))
  expect(flows.map((flow) => flow.wider?.()?.peer)).toEqual(['first', 'second'])
  // Of one that came to us, once it is known whose it is.
  const [came] = flows
  expect(came && new NamedFlow(came, 'second').wider()?.peer).toBe('second')
})
