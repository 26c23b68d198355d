import { afterEach, describe, expect, it } from 'vitest'
import { Secret } from '../../../config/secret.ts'
import type { TrunkWatch } from '../../../gateway/trunks/trunk-watch.ts'
import { header } from '../../../sip/message/headers.ts'
import type { Header } from '../../../sip/message/message.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'

// A registration never left a server that answered 5xx: it was tried there again, ever more seldom, while the next server stood idle.

const ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
const PORT = 5_070

type Answer = number | readonly [number, readonly Header[]] | 'silent'

let gateway: ScriptedGateway
let watch: TrunkWatch
afterEach(async () => {
  const stopped = watch.stop()
  await gateway.time.advance(40_000)
  await stopped
  await gateway.close()
})

/** `answers`: of each server to REGISTER, the last again and again. Returns the seconds and the server (0, 1, ...) of each. */
async function registering(...answers: (readonly Answer[])[]) {
  gateway = await ScriptedGateway.open(
    {},
    {
      host: 'pbx.example.com',
      account: {
        user: '4930',
        password: new Secret('secret'),
        md5: true,
        register: true,
        expiresS: 1_000,
        bulk: false,
      },
    },
    {
      resolver: { addresses: async () => ({ records: ADDRESSES.slice(0, answers.length), ttlS: undefined }) },
    },
  )
  const { time } = gateway
  const tries: { readonly s: number; readonly server: number; readonly expires: string | undefined }[] = []
  const transactions = new Set<string>()
  const startMs = time.nowMs()
  for (const [server, of] of answers.entries()) {
    const { peer, gatewayFlow } = gateway.trunkAt(PORT, ADDRESSES[server])
    const rest = [...of]
    const next = (): Answer => (rest.length > 1 ? (rest.shift() ?? 200) : (rest[0] ?? 200))
    gatewayFlow.drops = (text) => {
      const branch = /branch=([^;\s]+)/.exec(text)?.[1] ?? ''
      if (text.startsWith('REGISTER ') && !transactions.has(branch)) {
        const s = Math.round((time.nowMs() - startMs) / 1_000)
        tries.push({ s, server, expires: /^Expires: (\d+)/m.exec(text)?.[1] })
      }
      transactions.add(branch)
      return rest[0] === 'silent'
    }
    peer.answers = (incoming) => {
      const answer = next()
      if (answer === 'silent') return true
      const [status, headers] = typeof answer === 'number' ? [answer, []] : answer
      const granted = header(incoming.request, 'Expires') ?? ''
      incoming.respond(status, { headers: [...headers, { name: 'Expires', value: granted }] })
      return true
    }
  }
  watch = gateway.trunkWatch
  watch.start()
  return {
    tries,
    servers: () => tries.map(({ server }) => server),
    isRegistered: () => watch.isRegistered('pbx'),
  }
}

const retryAfter = (seconds: number): readonly Header[] => [{ name: 'Retry-After', value: String(seconds) }]

describe('a registration at a trunk of several servers', () => {
  it.each<[string, Answer]>([
    ['500', 500],
    ['503', 503],
    ['503 with Retry-After', [503, retryAfter(600)]],
    ['500 with Retry-After', [500, retryAfter(600)]],
  ])('goes to the next within seconds when the first answers %s', async (_name, answer) => {
    const { servers, isRegistered } = await registering([answer], [200])
    await gateway.time.advance(6_000)
    expect([servers(), isRegistered()]).toEqual([[0, 1], true])
  })

  it('goes to the next when the first is silent', async () => {
    const { servers, isRegistered } = await registering(['silent'], [200])
    await gateway.time.advance(40_000)
    expect([servers(), isRegistered()]).toEqual([[0, 1], true])
  })

  it('is refreshed and ended where it was taken, and leaves there when that fails', async () => {
    const { tries, servers, isRegistered } = await registering([503, 200], [200, 200, 503], [200])
    await gateway.time.advance(1_000_000)
    expect(servers()).toEqual([0, 1, 1])
    await gateway.time.advance(800_000)
    expect([servers(), isRegistered()]).toEqual([[0, 1, 1, 1, 0], true])
    const stopped = watch.stop()
    await gateway.time.advance(100)
    await stopped
    expect(tries.at(-1)).toMatchObject({ server: 0, expires: '0' })
  })

  it('is tried at all of them before it waits, and then ever longer, or as long as the last one asks', async () => {
    const { tries, servers } = await registering([503], [500], [503, [503, retryAfter(200)]])
    await gateway.time.advance(20_000)
    expect(servers().slice(0, 3)).toEqual([0, 1, 2])
    await gateway.time.advance(40_000)
    expect(servers()).toEqual([0, 1, 2, 0, 1, 2])
    await gateway.time.advance(250_000)
    const [sixth, seventh] = tries.slice(5)
    expect([seventh?.server, (seventh?.s ?? 0) - (sixth?.s ?? 0)]).toEqual([0, 200])
  })

  it('is not tried elsewhere with what the first refuses', async () => {
    const { servers } = await registering([403], [200])
    await gateway.time.advance(44_000)
    expect(servers()).toEqual([0])
    await gateway.time.advance(20_000)
    expect(servers()).toEqual([0, 0])
  })
})
