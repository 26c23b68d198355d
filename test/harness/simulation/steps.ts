import type { Direction } from '../../../media/parameters.ts'
import { STANDARD_CODECS } from '../../../sdp/codecs.ts'
import type { Header } from '../../../sip/message/message.ts'
import { sdp } from '../scripted-calls.ts'
import { type Action, type Dice, one } from './action.ts'
import { isPossible, type Manner, type SimLeg } from './sim-leg.ts'
import {
  again,
  comeBack,
  cutTrunk,
  drain,
  engineTrouble,
  failMedia,
  lose,
  mendTrunk,
  stray,
  weather,
} from './troubles.ts'
import { type Device, EMERGENCY, type Trunk, type World } from './world.ts'

const DIRECTIONS: readonly Direction[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive']
const NUMBERS = ['alice', 'bob', '0100', '0200', '0300', 'echo', 'nobody', '+1', EMERGENCY]
const REFUSALS = [486, 480, 404, 503, 500, 302, 401, 407, 603, 600, 488, 408, 481, 484, 305] as const
const MANNERS: readonly Manner[] = [
  'accepts',
  'accepts',
  'waits',
  'no body',
  'garbage',
  ...[491, 488, 481, 408, 503, 401, 422].map((status) => ({ status, headers: [] })),
  { status: 500, headers: [{ name: 'Retry-After', value: '2' }] },
]

/** RFC 3261 §13.2.2.4: no 2xx comes later than 64 * T1 behind the first. */
const FORKS_MS = 30_000
const GARBAGE = sdp('v=0\r\nnonsense')
const FAX = sdp(
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 4000 udptl t38\r\n',
)

const legsIn = (world: World, ...states: readonly SimLeg['state'][]): readonly SimLeg[] =>
  world.legs.filter((leg) => states.includes(leg.state))

function place(world: World, dice: Dice, at: Device | Trunk, from: string, to: string): string {
  const hasOffer = dice.chance(0.85)
  const isOdd = dice.chance(0.05)
  const direction = dice.chance(0.85) ? 'sendrecv' : dice.pick(DIRECTIONS)
  const acknowledges = dice.pick(['at once', 'at once', 'at once', 'at once', 'later', 'never'] as const)
  const odd = dice.pick([GARBAGE, FAX])
  const leg = world.call(at, { from, to }, (made) => {
    made.acknowledges = acknowledges
    made.isOdd = isOdd
    made.direction = direction
    if (!hasOffer) return undefined
    return isOdd ? odd : made.offer(direction)
  })
  return `${leg.label}${hasOffer ? ` ${direction}` : ' without an offer'}${isOdd ? ' odd' : ''}, ACK ${acknowledges}`
}

const callOut: Action = (world, dice) => {
  const device = dice.pick(world.devices)
  if (device.network.link.isClosed) return undefined
  return place(world, dice, device, device.user, dice.pick(NUMBERS))
}

const callIn: Action = (world, dice) => {
  const trunk = dice.pick(world.trunks)
  if (trunk.network.isCut) return undefined
  return place(
    world,
    dice,
    trunk,
    '0301234',
    dice.pick(['alice', 'bob', 'alice', 'bob', 'nobody', EMERGENCY]),
  )
}

const emergency: Action = (world, dice) => {
  const device = dice.pick(world.devices)
  if (device.network.link.isClosed) return undefined
  return place(world, dice, device, device.user, EMERGENCY)
}

const progress: Action = (world, dice) => {
  const leg = one(legsIn(world, 'ringing'), dice)
  if (leg?.incoming === undefined) return undefined
  const status = dice.pick([180, 183, 182, 199])
  const how = dice.pick(['bare', 'reliable', 'early', 'reliable early', 'garbage'] as const)
  const { incoming } = leg
  const offer = incoming.request.body
  const body = how === 'garbage' ? GARBAGE : leg.answer(offer, dice.pick(DIRECTIONS), dice.chance(0.3))
  const done = isPossible(() =>
    incoming.progress(status, {
      ...(how.includes('reliable') ? { reliable: true } : {}),
      ...(how === 'bare' || how === 'reliable' ? {} : { body }),
    }),
  )
  leg.hasRung ||= done
  return done ? `${leg.label} says ${status} ${how}` : undefined
}

const answer: Action = (world, dice) => {
  const leg = one(legsIn(world, 'ringing'), dice)
  if (leg?.incoming === undefined) return undefined
  const { incoming } = leg
  const how = dice.pick([
    'well',
    'well',
    'well',
    'well',
    'well',
    'narrow',
    'held',
    'nothing',
    'garbage',
  ] as const)
  const direction = how === 'held' ? dice.pick(DIRECTIONS) : 'sendrecv'
  const body = how === 'garbage' ? GARBAGE : leg.answer(incoming.request.body, direction, how === 'narrow')
  leg.direction = direction
  const done = isPossible(() => {
    leg.dialog = incoming.accept(how === 'nothing' ? {} : { body }, leg.handler)
  })
  return done ? `${leg.label} answers ${how}` : undefined
}

const refuse: Action = (world, dice) => {
  const leg = one(legsIn(world, 'ringing'), dice)
  if (leg?.incoming === undefined) return undefined
  const status = dice.pick(REFUSALS)
  const headers: Header[] = []
  if (status === 302 || status === 305) {
    const host = dice.pick(['127.0.0.1:5070', '127.0.0.1:5071', '203.0.113.9', '127.0.0.1'])
    headers.push({ name: 'Contact', value: `<sip:0999@${host}>` })
  }
  if (status === 401)
    headers.push({ name: 'WWW-Authenticate', value: 'Digest realm="x", nonce="y", qop="auth"' })
  if (status === 407) headers.push({ name: 'Proxy-Authenticate', value: 'Digest realm="x", nonce="y"' })
  if (status === 503 && dice.chance(0.5)) headers.push({ name: 'Retry-After', value: '5' })
  leg.incoming.reject(status, { headers })
  leg.isOver = true
  return `${leg.label} refuses ${status}`
}

const cancel: Action = (world, dice) => {
  const leg = one(legsIn(world, 'calling'), dice)
  if (leg?.outgoing === undefined || leg.hasCancelled) return undefined
  leg.hasCancelled = true
  leg.outgoing.cancel()
  return `${leg.label} cancels`
}

const hangUp: Action = (world, dice) => {
  const talking = legsIn(world, 'talking')
  const leg = one(talking, dice)
  if (leg === undefined) return undefined
  const all = dice.chance(0.15) ? talking : [leg]
  for (const each of all) bye(each)
  return `${all.map(({ label }) => label).join(' and ')} says BYE`
}

export function bye(leg: SimLeg): void {
  leg.hasHungUp = true
  leg.dialog?.bye()
  leg.isOver = true
}

const reoffer: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const { dialog } = leg
  const direction = dice.pick(DIRECTIONS)
  leg.direction = direction
  const codecs = dice.chance(0.2) ? STANDARD_CODECS.slice(-3) : STANDARD_CODECS
  const body = dice.chance(0.08) ? dice.pick([GARBAGE, FAX]) : leg.offer(direction, codecs)
  const isDone = isPossible(() => dialog.reinvite({ body }, () => {}))
  return isDone ? `${leg.label} re-INVITEs ${direction}` : undefined
}

const update: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const { dialog } = leg
  const direction = dice.pick(DIRECTIONS)
  leg.direction = direction
  const body = leg.offer(direction)
  return isPossible(() => dialog.request('UPDATE', { headers: [], body }, () => {}))
    ? `${leg.label} UPDATEs ${direction}`
    : undefined
}

const acknowledge: Action = (world, dice) => {
  const leg = one(
    world.legs.filter((each) => each.acknowledge !== undefined && each.acknowledges === 'later'),
    dice,
  )
  leg?.acknowledge?.()
  return leg === undefined ? undefined : `${leg.label} sends its late ACK`
}

const manner: Action = (world, dice) => {
  const leg = one(legsIn(world, 'calling', 'ringing', 'talking'), dice)
  if (leg === undefined) return undefined
  leg.manner = dice.pick(MANNERS)
  leg.isDeaf = dice.chance(0.1)
  leg.direction = dice.pick(DIRECTIONS)
  const { manner: now } = leg
  return `${leg.label} from now on ${typeof now === 'string' ? now : now.status} offers${leg.isDeaf ? ', deaf' : ''}`
}

const settleOffer: Action = (world, dice) => {
  const leg = one(
    world.legs.filter(({ offers }) => offers.length > 0),
    dice,
  )
  return leg?.settleOffers() ? `${leg.label} answers an offer that waited` : undefined
}

const ask: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const method = dice.pick(['INFO', 'MESSAGE', 'OPTIONS', 'UPDATE', 'NOTIFY', 'FOO'])
  const body =
    method === 'INFO'
      ? {
          body: { contentType: 'application/dtmf-relay', bytes: Buffer.from('Signal=5\r\nDuration=160\r\n') },
        }
      : method === 'MESSAGE'
        ? { body: { contentType: 'text/plain', bytes: Buffer.from('hello') } }
        : {}
  const { dialog } = leg
  return isPossible(() => dialog.request(method, { headers: [], ...body }, () => {}))
    ? `${leg.label} sends ${method}`
    : undefined
}

const transfer: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const target = dice.pick([...NUMBERS, '0100', '0200', 'bob', 'alice'])
  const { dialog } = leg
  const headers = [{ name: 'Refer-To', value: `<sip:${target}@example.com>` }]
  return isPossible(() => dialog.request('REFER', { headers }, () => {}))
    ? `${leg.label} REFERs to ${target}`
    : undefined
}

/** Of another leg of the same peer mostly. */
function replacesOf(
  world: World,
  dice: Dice,
  leg: SimLeg,
): { readonly value: string; readonly of: string } | undefined {
  const talking = legsIn(world, 'talking').filter((other) => other !== leg)
  const own = talking.filter(({ peer }) => peer.userAgent === leg.peer.userAgent)
  const other = one(own.length > 0 && dice.chance(0.85) ? own : talking, dice)
  if (other?.dialog === undefined) return undefined
  const { callId, remoteTag, localTag } = other.dialog
  return { value: `${callId};to-tag=${remoteTag};from-tag=${localTag}`, of: other.label }
}

const join: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const replaces = replacesOf(world, dice, leg)
  if (replaces === undefined) return undefined
  const { dialog } = leg
  const headers = [
    { name: 'Refer-To', value: `<sip:x@example.com?Replaces=${encodeURIComponent(replaces.value)}>` },
  ]
  return isPossible(() => dialog.request('REFER', { headers }, () => {}))
    ? `${leg.label} REFERs to join ${replaces.of}`
    : undefined
}

const takeOver: Action = (world, dice) => {
  const leg = one(legsIn(world, 'talking'), dice)
  if (leg?.dialog === undefined) return undefined
  const places = [...world.devices, ...world.trunks].filter(({ network }) => !network.isCut)
  const at = one(places, dice)
  if (at === undefined) return undefined
  const { callId, remoteTag, localTag } = leg.dialog
  const taker = world.call(
    at,
    {
      from: 'user' in at ? at.user : '0301234',
      to: 'x',
      headers: [{ name: 'Replaces', value: `${callId};to-tag=${remoteTag};from-tag=${localTag}` }],
    },
    (made) => (dice.chance(0.9) ? made.offer('sendrecv') : undefined),
  )
  return `${taker.label} in the place of ${leg.label}`
}

/** Another device behind the trunk answers too, as forking proxies let through. */
const fork: Action = (world, dice) => {
  const leg = one(
    legsIn(world, 'ringing', 'talking').filter(
      ({ incoming, local, sinceMs }) =>
        incoming !== undefined && local.kind === 'rtp' && world.gateway.time.nowMs() - sinceMs < FORKS_MS,
    ),
    dice,
  )
  if (leg?.incoming === undefined) return undefined
  const status = dice.pick([180, 183, 200, 200])
  const text = leg.incoming.request
  const hasBody = dice.chance(0.7) && text.body.length > 0
  const body = hasBody ? Buffer.from(leg.answer(text.body, 'sendrecv').bytes).toString('latin1') : ''
  const tag = `fork${dice.roll(3)}`
  const isReliable = status < 200 && dice.chance(0.4)
  if (status === 200) world.forked.add(leg.callId)
  const kept = text.headers.filter(({ name }) => /^(?:Via|From|Call-ID|CSeq)$/i.test(name))
  const to = text.headers.find(({ name }) => /^To$/i.test(name))?.value ?? ''
  leg.peer.flow.send(
    Buffer.from(
      [
        `SIP/2.0 ${status} Fork`,
        ...kept.map(({ name, value }) => `${name}: ${value}`),
        `To: ${to};tag=${tag}`,
        'Contact: <sip:127.0.0.1:5070>',
        ...(isReliable ? ['Require: 100rel', `RSeq: ${dice.roll(3) + 1}`] : []),
        ...(hasBody ? ['Content-Type: application/sdp'] : []),
        `Content-Length: ${body.length}`,
        '',
        body,
      ].join('\r\n'),
      'latin1',
    ),
  )
  const what = `${status}${isReliable ? ' reliable' : ''}`
  return `${leg.label} forks, ${what} of ${tag}${hasBody ? '' : ' without a body'}`
}

/** Each kind of step, and how often it is drawn beside others. */
export const ACTIONS = {
  'call out': [8, callOut],
  'call in': [6, callIn],
  emergency: [2, emergency],
  progress: [8, progress],
  answer: [14, answer],
  refuse: [5, refuse],
  cancel: [3, cancel],
  'hang up': [4, hangUp],
  reoffer: [6, reoffer],
  update: [2, update],
  acknowledge: [2, acknowledge],
  manner: [4, manner],
  'settle offer': [3, settleOffer],
  ask: [2, ask],
  transfer: [5, transfer],
  join: [5, join],
  'take over': [4, takeOver],
  fork: [2, fork],
  lose: [2, lose],
  'come back': [3, comeBack],
  'cut trunk': [2, cutTrunk],
  'mend trunk': [3, mendTrunk],
  weather: [2, weather],
  'fail media': [2, failMedia],
  'engine trouble': [2, engineTrouble],
  again: [2, again],
  drain: [0.2, drain],
  stray: [1, stray],
} as const satisfies Record<string, readonly [number, Action]>

export type Kind = keyof typeof ACTIONS
