import { afterEach, expect, test } from 'vitest'
import { Baresip, type BaresipOptions } from '../harness/baresip.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS, type User } from '../harness/daemon.ts'
import { ownAddress } from '../harness/own-address.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

/** Of the gateway towards the trunks, which have 127.0.0.1: an address of ours is not shared with a peer. */
const GATEWAY = '127.0.0.7'

const phone = async (options: Omit<BaresipOptions, 'answer'>): Promise<Baresip> =>
  closing(await Baresip.start(options))

/** Our ports by party, in the order in which it was told them. */
async function portsTold(daemon: Daemon): Promise<Readonly<Record<string, readonly (string | undefined)[]>>> {
  return Object.fromEntries(
    (await daemon.reports()).map(({ caller, callee, timeline }) => [
      [caller, callee].find((party) => party.startsWith('trunk:')),
      timeline
        .filter(({ what, direction }) => what === 'sdp' && direction === 'sent')
        .flatMap(({ detail = '' }) => /m=audio (\d+) RTP\/S?AVP /.exec(detail)?.[1] ?? []),
    ]),
  )
}

test('phones talk at once over one port and hear their own callers; one that sends from elsewhere gets its own', async () => {
  const [plain, secure, strange] = await Promise.all([
    phone({ media: 'rtp', toneHz: 440, user: '8100' }),
    phone({ media: 'sdes', toneHz: 700, user: '9100' }),
    // It says 127.0.0.2 and, bound to all addresses, sends from 127.0.0.1: as if through a NAT.
    phone({ media: 'rtp', toneHz: 1_200, user: '7100', address: '127.0.0.2' }),
  ])
  const shared = { mediaPorts: 'shared' } as const
  const daemon = closing(
    await Daemon.start({
      trunks: [
        { ...shared, name: 'plain', port: plain.sipPort },
        { ...shared, name: 'secure', port: secure.sipPort, media: 'sdes' },
        { ...shared, name: 'strange', host: '127.0.0.2', port: strange.sipPort },
      ],
      routes: [
        { prefix: '9', trunk: 'secure' },
        { prefix: '7', trunk: 'strange' },
      ],
      config: { udp: { host: GATEWAY }, media: { addresses: [ownAddress()] } },
    }),
  )
  const connect = async (user: User): Promise<WebrtcClient> => {
    const client = closing(await WebrtcClient.connect(daemon.webSocketUrl, user, PASSWORDS[user]))
    await client.register()
    return client
  }
  const [alice, bob] = [await connect('alice'), await connect('bob')]

  const toSecure = await alice.call('9100', { toneHz: 1_000 })
  plain.dial(`sip:bob@${daemon.sipAddress}`)
  const fromPlain = await bob.nextInvitation()
  await fromPlain.answer({ toneHz: 1_500 })
  const toStrange = await alice.call('7100', { toneHz: 1_900 })
  await Promise.all([
    toSecure.waitForTone(700, 1_000),
    secure.waitForTone(1_000),
    fromPlain.waitForTone(440, 1_000),
    plain.waitForTone(1_500),
    toStrange.waitForTone(1_200, 1_000),
    strange.waitForTone(1_900),
  ])

  const told = await portsTold(daemon)
  const [port] = told['trunk:plain'] ?? []
  expect(told).toEqual({
    'trunk:plain': [port],
    'trunk:secure': [port],
    'trunk:strange': [port, expect.not.stringMatching(`^${port}$`)],
  })
  for (const call of [toSecure, toStrange]) await call.hangUp()
  plain.hangUp()
  await fromPlain.waitForEnd()
  await daemon.waitForNoCalls()
})
