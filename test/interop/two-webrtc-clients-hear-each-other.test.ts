import { afterEach, expect, test } from 'vitest'
import { closeAll, closing } from '../harness/closing.ts'
import { Daemon, PASSWORDS, type User } from '../harness/daemon.ts'
import { headerOf } from '../harness/sip-text.ts'
import { WebrtcClient } from '../harness/webrtc-client.ts'

afterEach(closeAll)

const signIn = async (daemon: Daemon, user: User): Promise<WebrtcClient> => {
  const client = closing(await WebrtcClient.connect(daemon.webSocketUrl, user, PASSWORDS[user]))
  await client.register()
  return client
}

test('alice calls bob; both are heard; bob hangs up', async () => {
  const daemon = closing(await Daemon.start())
  const alice = await signIn(daemon, 'alice')
  const bob = await signIn(daemon, 'bob')
  const outgoing = await alice.call('bob', { toneHz: 620 })
  const incoming = await bob.nextInvitation()
  await outgoing.waitForProgress(180)
  await incoming.answer({ toneHz: 1000 })
  await Promise.all([outgoing.waitForTone(1000, 1_000), incoming.waitForTone(620, 1_000)])
  await incoming.hangUp()
  await outgoing.waitForEnd()
  await daemon.waitForNoCalls()
})

test('bob is busy', async () => {
  const daemon = closing(await Daemon.start())
  const alice = await signIn(daemon, 'alice')
  const bob = await signIn(daemon, 'bob')
  const outgoing = await alice.call('bob', { toneHz: 620 })
  const incoming = await bob.nextInvitation()
  incoming.reject('486 Busy Here')
  await outgoing.waitForFinal()
  expect(outgoing.finalStatus).toBe(486)
  daemon.expectsVerdicts('call.refused')
  await daemon.waitForNoCalls()
})

test('bob is not registered, or no more', async () => {
  const daemon = closing(await Daemon.start())
  const alice = await signIn(daemon, 'alice')
  const before = await alice.call('bob', { toneHz: 620 })
  expect(headerOf(await before.waitForFinal(), 'Reason')).toContain('call.not-registered')
  const bob = await signIn(daemon, 'bob')
  await bob.register(0)
  const after = await alice.call('bob', { toneHz: 620 })
  await after.waitForFinal()
  expect(after.finalStatus).toBe(480)
  daemon.expectsVerdicts('call.not-registered', 'call.not-registered')
})

test('a browser that vanishes takes its registration with it', async () => {
  const daemon = closing(await Daemon.start())
  const alice = await signIn(daemon, 'alice')
  const bob = await signIn(daemon, 'bob')
  await bob.close()
  await daemon.waitForLog('the end of the WebSocket', (line) => line.message === 'websocket closed')
  expect((await daemon.health()).registrations).toBe(1)
  const call = await alice.call('bob', { toneHz: 620 })
  await call.waitForFinal()
  expect(call.finalStatus).toBe(480)
  daemon.expectsVerdicts('call.not-registered')
})
