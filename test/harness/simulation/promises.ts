import { CODES } from '../../../gateway/diagnosis.ts'
import type { CallReport } from '../../../gateway/ladder/call-report.ts'
import type { Cdr } from '../../../gateway/ladder/cdr.ts'
import type { SimLeg } from './sim-leg.ts'
import type { World } from './world.ts'

/** What must hold at every moment; the first thing that does not. */
export function meanwhile({ gateway, watch, emergencies }: World): string | undefined {
  watch.check((callId) => emergencies.has(callId))
  const [broken] = watch.broken
  if (broken !== undefined) return broken
  const mistake = gateway.log.find(({ message }) => message.startsWith('internal error'))
  if (mistake !== undefined) {
    const { error } = mistake.fields
    return `${mistake.message}: ${error instanceof Error ? error.stack : String(error)}`
  }
  return undefined
}

/** After the network was mended and a long time has passed: nobody rings or talks whose other side is gone. */
export function beforeTheEnd(world: World): string | undefined {
  const live = new Map(
    world.legs.filter(({ state }) => state !== 'over').map((leg) => [leg.dialog?.callId ?? leg.callId, leg]),
  )
  const calls = world.gateway.calls.history.list().filter(({ state }) => state !== 'ended')
  const named = new Set(calls.flatMap(namesOf))
  const alone = [...live].find(([id, leg]) => !(named.has(id) || mayBeAlone(world, leg)))?.[1]
  if (alone !== undefined) return `${alone.label} is ${alone.state} with nobody`
  return first(calls, (call) => brokenCall(world, call, (id) => live.has(id)))
}

const namesOf = (call: CallReport): readonly string[] => [call.callId, ...call.otherCallIds]

function first<Thing>(
  things: readonly Thing[],
  why: (thing: Thing) => string | undefined,
): string | undefined {
  for (const thing of things) {
    const found = why(thing)
    if (found !== undefined) return found
  }
  return undefined
}

function mayBeAlone({ isDark, forked }: World, leg: SimLeg): boolean {
  // The proxy that forks has the others give up.
  if (leg.state === 'ringing' && forked.has(leg.callId)) return true
  if (isDark && leg.state !== 'talking' && leg.label.includes(' pbx ')) return true
  return leg.isEmergency
}

function brokenCall(
  { legs, forked, emergencies }: World,
  call: CallReport,
  isLive: (id: string) => boolean,
): string | undefined {
  const names = namesOf(call)
  // Of such a call, without media there is nothing that tells its end.
  const isUnproven = legs.some((leg) => leg.isUnproven && names.includes(leg.callId))
  if (isUnproven || names.some((id) => forked.has(id))) return undefined
  const who = `a call of ${call.caller} with ${call.callee}`
  if (call.state !== 'connected') {
    return emergencies.has(call.callId) ? undefined : `${who} is ${call.state} after minutes`
  }
  const parties = names.filter(isLive).length
  return parties < (call.callee.startsWith('app:') ? 1 : 2) ? `${who} has ${parties} parties` : undefined
}

/** After everybody has hung up and all timers have rung: nothing is left, and each call has had its verdict. */
export async function afterTheEnd(world: World): Promise<string | undefined> {
  const { gateway, legs } = world
  const alive = legs.find(({ state }) => state !== 'over')
  if (alive !== undefined) return `${alive.label} is ${alive.state} after everybody has hung up`
  const left = Object.entries(await gateway.leftovers())
  if (left.length > 0) return `left in tables: ${left.map(([name, size]) => `${name} ${size}`).join(', ')}`
  const counters = gateway.calls.counters()
  if (counters.calls !== 0 || counters.emergencyCalls !== 0 || Object.keys(counters.placed ?? {}).length > 0)
    return `limits are still charged: ${JSON.stringify(counters)}`
  return brokenRecord(world) ?? refusedEmergency(world)
}

/** An emergency call that is refused has been to every trunk that was there all the time. */
function refusedEmergency({ legs, troubled, isSpoilt, trunks }: World): string | undefined {
  if (isSpoilt) return undefined
  const refused = legs.filter(
    ({ isEmergency, isCaller, isOdd, isUnproven, hasCancelled, final, local }) =>
      isEmergency &&
      isCaller &&
      local.kind === 'webrtc' &&
      !(isOdd || isUnproven || hasCancelled) &&
      typeof final === 'object' &&
      final.status >= 300,
  )
  return first(trunks, ({ name, peer }) => {
    const tried = legs.filter((leg) => leg.isEmergency && !leg.isCaller && leg.peer === peer).length
    const isMissing = !troubled.has(name) && tried < refused.length
    return isMissing ? `${refused.length} emergency calls refused, ${tried} tried at ${name}` : undefined
  })
}

function brokenRecord(world: World): string | undefined {
  const { gateway } = world
  const started = gateway.logged('call started').map(({ fields }) => String(fields.callId))
  return (
    first(started, (callId) => {
      const calls = started.filter((id) => id === callId).length
      const records = gateway.records.filter((record) => record.callId === callId).length
      return records < calls ? `${calls} calls ${callId} have ${records} records` : undefined
    }) ??
    first(gateway.records, wrongVerdict) ??
    first(gateway.records, (record) => {
      const isAlone = started.filter((id) => id === record.callId).length === 1
      return isAlone ? falseVerdict(world, record) : undefined
    })
  )
}

function wrongVerdict({ verdict, outcome, findings, callId }: Cdr): string | undefined {
  const codes = [...findings, ...(verdict === undefined ? [] : [verdict.code])]
  const unknown = codes.find((code) => !(code in CODES))
  if (unknown !== undefined) return `a code of no table: ${unknown}`
  if (outcome === 'ok' && verdict !== undefined) return `ok with a verdict: ${callId} ${verdict.code}`
  if (outcome === 'failed' && verdict === undefined) return `failed without a verdict: ${callId}`
  return verdict?.code === 'call.internal' ? `a mistake of ours ended ${callId}` : undefined
}

/** What the caller has heard is something else. */
function falseVerdict({ legs }: World, { callId, outcome }: Cdr): string | undefined {
  const leg = legs.find((each) => each.isCaller && each.callId === callId)
  const status = typeof leg?.final === 'object' ? leg.final.status : 0
  // Of 504: the answer has waited for a PRACK, and who was called hung up before it came; so it is told.
  if (outcome !== 'ok' || status < 300 || status === 504 || leg?.hasCancelled) return undefined
  return `ok, but the caller was answered ${status}: ${callId}`
}
