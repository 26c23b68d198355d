import { expect, test } from 'vitest'
import { Reoffers } from '../../../../gateway/pages/reoffer.ts'

type Session = ConstructorParameters<typeof Reoffers>[0]
type Delegate = NonNullable<NonNullable<Parameters<Session['invite']>[0]>['requestDelegate']>

/** A session of SIP.js whose far end answers each offer as the test says. */
const session = () => {
  const delegates: Delegate[] = []
  const fake = {
    sessionDescriptionHandlerOptionsReInvite: {},
    invite: async (options: { readonly requestDelegate: Delegate }) =>
      void delegates.push(options.requestDelegate),
  }
  const next = (): Delegate => {
    const delegate = delegates.shift()
    if (delegate === undefined) throw new Error('nothing was offered')
    return delegate
  }
  return {
    session: fake as unknown as Session,
    accept: () => next().onAccept?.({} as never),
    refuse: (statusCode: number, reasonPhrase: string) =>
      next().onReject?.({ message: { statusCode, reasonPhrase } } as never),
  }
}

test('a refused hold tells why, and what is answered next is not on hold', async () => {
  const far = session()
  const reoffers = new Reoffers(far.session)
  const held = reoffers.hold(true)
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toEqual({ hold: true })
  far.refuse(491, 'Request Pending')
  await expect(held).rejects.toThrow('491 Request Pending')
  expect(reoffers.isHeld).toBe(false)
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toEqual({ hold: false })
})

test('a refused resume leaves the call on hold', async () => {
  const far = session()
  const reoffers = new Reoffers(far.session)
  const held = reoffers.hold(true)
  far.accept()
  await held
  const resumed = reoffers.hold(false)
  far.refuse(488, 'Not Acceptable Here')
  await expect(resumed).rejects.toThrow('488')
  expect(reoffers.isHeld).toBe(true)
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toEqual({ hold: true })
})

test.each([
  ['agreed', 'accept'],
  ['refused', 'refuse'],
] as const)('new ICE credentials are asked for once, also when they are %s', async (_name, end) => {
  const far = session()
  const reoffers = new Reoffers(far.session)
  // Rejects in one of the two rows: what is looked at is what it leaves behind.
  const restarted = reoffers.restartIce().catch(() => undefined)
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toMatchObject({
    offerOptions: { iceRestart: true },
  })
  far[end](500, 'Server Internal Error')
  await restarted
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toEqual({ hold: false })
})

test('a second hold that cannot be offered yet does not undo the first', async () => {
  const far = session()
  const reoffers = new Reoffers(far.session)
  const first = reoffers.hold(true)
  const { invite } = far.session
  far.session.invite = () => Promise.reject(new Error('Reinvite in progress'))
  await expect(reoffers.hold(true)).rejects.toThrow('in progress')
  far.session.invite = invite
  far.accept()
  await first
  expect(far.session.sessionDescriptionHandlerOptionsReInvite).toEqual({ hold: true })
})
