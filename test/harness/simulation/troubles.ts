import { nameAddr } from '../../../gateway/calls/identity.ts'
import { sipUri } from '../../../sip/message/uri.ts'
import { type Action, one } from './action.ts'
import { FINE } from './network.ts'

const MEDIA_FAILURES = [
  'ice.no-check-seen',
  'ice.consent-lost',
  'dtls.handshake-failed',
  'dtls.no-client-hello',
  'media.silent',
  'media.none-from-trunk',
  'media.none-from-browser',
  'media.internal',
] as const

export const lose: Action = async (world, dice) => {
  const device = dice.pick(world.devices)
  if (device.network.link.isClosed) return undefined
  await world.lose(device)
  return `${device.name} loses its connection`
}

export const comeBack: Action = async (world, dice) => {
  const device = dice.pick(world.devices)
  const isRegistering = dice.chance(0.7)
  await world.comeBack(device, isRegistering)
  return `${device.name} comes by a new connection${isRegistering ? '' : ', not registered'}`
}

export const cutTrunk: Action = (world, dice) => {
  const trunk = dice.pick(world.trunks)
  if (trunk.network.isCut || trunk.name !== 'second') return undefined
  const isBackedOff = dice.chance(0.5)
  world.cut(trunk, isBackedOff)
  return `${trunk.name} is cut${isBackedOff ? ', backed off' : ''}`
}

export const mendTrunk: Action = (world) => {
  const trunk = world.trunks.find(({ network }) => network.isCut)
  if (trunk === undefined) return undefined
  world.mend(trunk)
  return `${trunk.name} is back`
}

export const weather: Action = (world, dice) => {
  const [trunk] = world.trunks
  if (trunk === undefined) return undefined
  const kind = dice.pick(['fine', 'fine', 'bad', 'worse', 'silent'] as const)
  const seed = dice.roll(2 ** 31)
  const shares = { fine: [0, 0, 0], bad: [0.1, 0.1, 40], worse: [0.35, 0.2, 400], silent: [1, 0, 0] }[kind]
  const [loss = 0, twice = 0, lateMs = 0] = shares
  trunk.network.weather = kind === 'fine' ? FINE : { loss, twice, lateMs, seed }
  if (kind !== 'fine') world.troubled.add(trunk.name)
  // Nobody can tell them what becomes of it.
  if (kind === 'worse' || kind === 'silent') world.isDark = true
  return `the network of ${trunk.name} is ${kind}`
}

export const failMedia: Action = (world, dice) => {
  const leg = one(world.engine.legs(), dice)
  if (leg === undefined) return undefined
  if (dice.chance(0.2)) {
    leg.session.hear(leg.name, { event: 5, durationMs: 100 })
    return `a key is pressed at ${leg.name}`
  }
  if (dice.chance(0.4)) return leg.session.move(leg.name) ? `media of ${leg.name} moves` : undefined
  const code = dice.pick(MEDIA_FAILURES)
  leg.session.fail(leg.name, code)
  world.isSpoilt = true
  return `media of ${leg.name} fails with ${code}`
}

export const engineTrouble: Action = (world, dice) => {
  if (dice.chance(0.6)) {
    world.engine.delayMs = dice.pick([0, 0, 1, 5, 40])
    return `media takes ${world.engine.delayMs} ms`
  }
  const code = dice.pick(['media.no-port', 'media.overload', 'media.system-limit'] as const)
  world.engine.refusals.push(code)
  world.isSpoilt = true
  return `media will refuse with ${code}`
}

/** Something that a peer sent before arrives once more, much later. */
export const again: Action = (world, dice) => {
  const at = dice.pick(world.trunks)
  const texts = at.peer.flow.sent.filter((text) => !/^INVITE sip:112@/.test(text))
  const text = one(texts, dice)
  if (text === undefined || at.network.isCut) return undefined
  at.peer.flow.send(Buffer.from(text, 'latin1'))
  return `${at.name} sends again ${text.split('\r\n', 1)[0]}`
}

export const drain: Action = (world, dice) => {
  if (world.isDraining) return undefined
  world.isDraining = true
  void world.gateway.calls.drain()
  if (dice.chance(0.3)) {
    world.gateway.calls.end()
    world.isSpoilt = true
  }
  return 'the gateway drains'
}

/** A stranger, and one who knows no dialog. */
export const stray: Action = (world, dice) => {
  const { peer, name } = dice.pick([...world.devices, ...world.trunks])
  const method = dice.pick(['OPTIONS', 'BYE', 'INFO', 'MESSAGE', 'FOO'])
  const user = name.split('/')[0] ?? ''
  const address = nameAddr(sipUri({ user, host: 'example.com' }))
  peer.userAgent.request(
    {
      method,
      flow: peer.flow,
      uri: sipUri({ host: 'example.com' }),
      from: address,
      to: address,
      headers: [],
    },
    () => {},
  )
  return `${name} sends a stray ${method}`
}
