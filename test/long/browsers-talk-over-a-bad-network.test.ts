import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { BadMediaNetwork } from '../harness/bad-media-network.ts'
import { AGENT_ORIGINS, type AgentCall, AgentSite, BrowserAgent } from '../harness/browser-agent.ts'
import { Chromium } from '../harness/chromium.ts'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon } from '../harness/daemon.ts'
import { expectNothingLeft } from '../harness/nothing-left.ts'
import { ownAddress } from '../harness/own-address.ts'

/** How long they talk. */
const minutes = Number(process.env.SOAK_MINUTES ?? 30)
/** Where browsers find the network. */
const FRONT = '127.0.0.1'
const LOSS = 0.05
const JITTER_MS = 30
const ALICE_HZ = 620
const BOB_HZ = 880
const EVERY_MS = 10_000
/** Beeps with 5 % of their packets lost: some time passes until one is whole. */
const PATIENCE = { timeoutMs: 20_000 }
/** What V8 and malloc move by themselves in an hour; a leak of 100 octets a packet is more in half of one. */
const MAX_GROWTH_KIB = 16_384

afterEach(closeAll)

interface Sample {
  readonly residentKib: number
  readonly descriptors: number
}

async function sample(pid: number): Promise<Sample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return {
    residentKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const soundBetween = (pairs: readonly (readonly [AgentCall, number])[]): Promise<unknown> =>
  Promise.all(pairs.map(([call, hz]) => call.waitForTone(hz, PATIENCE)))

test(
  `two browsers talk for ${minutes} minutes with 5 % loss and 30 ms jitter: heard at the end, memory flat`,
  async () => {
    // Loopback is never replaced by an announced address, so the gateway sits at the other one.
    const gateway = ownAddress()
    const daemon = closing(
      await Daemon.start({
        config: { ...AGENT_ORIGINS, media: { addresses: [gateway], announced: FRONT } },
      }),
    )
    const network = closing(
      await BadMediaNetwork.start({
        address: FRONT,
        port: daemon.webrtcPort,
        gateway,
        loss: LOSS,
        jitterMs: JITTER_MS,
      }),
    )
    const site = closing(await AgentSite.start())
    const [one, other] = [closing(await Chromium.start(ALICE_HZ)), closing(await Chromium.start(BOB_HZ))]
    const alice = closing(
      await BrowserAgent.start(await one.newPage(), site, { stack: 'jssip', daemon, user: 'alice' }),
    )
    const bob = closing(
      await BrowserAgent.start(await other.newPage(), site, { stack: 'sipjs', daemon, user: 'bob' }),
    )
    const outgoing = await alice.call('bob')
    const incoming = await bob.nextIncoming()
    await incoming.answer()
    const pairs = [
      [outgoing, BOB_HZ],
      [incoming, ALICE_HZ],
    ] as const
    await soundBetween(pairs)

    const samples: Sample[] = []
    const endMs = performance.now() + minutes * 60_000
    while (performance.now() < endMs) {
      await delay(EVERY_MS)
      await soundBetween(pairs)
      samples.push(await sample(daemon.pid))
    }
    await soundBetween(pairs)

    const { carried, lost } = network.counts
    expect(lost / (carried + lost)).toBeGreaterThan(LOSS * 0.8)
    // 50 packets a second, four times: from each browser and to it.
    expect(carried).toBeGreaterThan(minutes * 60 * 50 * 4 * 0.7)
    for (const [call] of pairs) {
      const { packetsReceived, connectionState } = await call.stats()
      expect(connectionState).toBe('connected')
      expect(packetsReceived).toBeGreaterThan(minutes * 60 * 50 * 0.7)
    }
    // The first third is for just-in-time compilers to settle.
    const third = Math.floor(samples.length / 3)
    const memory = samples.map(({ residentKib }) => residentKib)
    const growthKib = median(memory.slice(2 * third)) - median(memory.slice(third, 2 * third))
    console.log(
      `resident KiB: ${memory.join(' ')}; growth of the last third ${growthKib}; lost ${lost} of ${carried + lost}`,
    )
    expect(growthKib).toBeLessThan(MAX_GROWTH_KIB)
    expect(new Set(samples.slice(third).map(({ descriptors }) => descriptors)).size).toBe(1)

    await outgoing.hangUp()
    await incoming.waitFor('ended')
    await expectNothingLeft(daemon)
  },
  (minutes + 5) * 60_000,
)
