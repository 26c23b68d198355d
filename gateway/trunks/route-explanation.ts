import type { Config, GroupConfig, TrunkConfig } from '../../config/config.ts'
import { parseUri } from '../../sip/message/uri.ts'
import { ANONYMOUS, shownNumberOf } from '../calls/identity.ts'
import { partyName } from '../calls/party.ts'
import { checkDestination, PartyLimitTable } from '../calls/party-limits.ts'
import { textTable } from '../commands/text-table.ts'
import { verdictOf } from '../diagnosis.ts'
import { dialledOf } from './dialled.ts'
import { internationalForm } from './number-plan.ts'
import { type Caller, type Destination, Router } from './router.ts'

/** What becomes of a number, as far as the configuration says. */
export interface RouteExplanation {
  readonly dialled: string
  readonly international: string | undefined
  /** Each rule that was looked at in its order; the last is the one, unless `failure` says that there is none. */
  readonly tried: readonly { readonly rule: string; readonly whyNot: string | undefined }[]
  readonly destination: Destination | undefined
  /** Of each trunk that may be tried, first to last. */
  readonly ways: readonly Way[]
  /** Why the call would be refused now; a trunk or a device that is not there is not looked for. */
  readonly failure: { readonly code: string; readonly status: number; readonly message: string } | undefined
  /** For people. */
  readonly lines: readonly string[]
}

interface Way {
  readonly trunk: string
  readonly number: string
  /** User part of From; `anonymous` when the caller is not shown. */
  readonly callerId: string
  /** Why this trunk does not take it. */
  readonly refusal: string | undefined
}

type RouteSettings = Pick<
  Config,
  'users' | 'trunks' | 'groups' | 'numbers' | 'routes' | 'emergency' | 'limits' | 'calls' | 'upstream'
>

/** By the same code that routes calls. `number`: as dialled, or a URI. */
export function explainRoute(number: string, caller: Caller, config: RouteSettings): RouteExplanation {
  const tried: { rule: string; whyNot: string | undefined }[] = []
  let dialled = number
  let destination: Destination | undefined
  let ways: readonly Way[] = []
  let failure: RouteExplanation['failure']
  try {
    dialled = dialledOf(parseUri(uriOf(number)), config.numbers, config.emergency?.numbers)
    const note = (rule: string, whyNot: string | undefined): void => void tried.push({ rule, whyNot })
    destination = new Router(config).route(dialled, caller, { note })
    ways = waysOf(destination, caller, config)
    checkWays(destination, caller, ways, config)
  } catch (error) {
    const { code, status, message } = verdictOf(error)
    failure = { code, status, message }
  }
  const international = internationalForm(dialled, config.numbers)
  const found = { dialled, international, tried, destination, ways, failure }
  return { ...found, lines: linesOf(found, caller) }
}

const uriOf = (number: string): string =>
  /^(?:sips?|tel|urn):/i.test(number) ? number : `sip:${encodeURIComponent(number)}@gateway.invalid`

function waysOf(destination: Destination, caller: Caller, config: RouteSettings): readonly Way[] {
  if (destination.kind !== 'trunk' && destination.kind !== 'emergency') return []
  const isEmergency = destination.kind === 'emergency'
  const names = isEmergency ? destination.trunks : [destination.trunk]
  const limits = new PartyLimitTable(config)
  return [...new Set(names.flatMap((name) => membersOf(name, config.groups)))].flatMap((name) => {
    const trunk = config.trunks.find((row) => row.name === name)
    if (trunk === undefined) return []
    const refusal = isEmergency
      ? undefined
      : refusalOf(() => checkDestination(`trunk:${name}`, limits.of(`trunk:${name}`), destination.forms))
    return [
      {
        trunk: name,
        number: destination.number,
        callerId: callerIdAt(trunk, caller, config, isEmergency),
        refusal,
      },
    ]
  })
}

/** Of a group, by priority; within one, chance and weight decide for each call. */
function membersOf(name: string, groups: readonly GroupConfig[]): readonly string[] {
  const group = groups.find((row) => row.name === name)
  if (group === undefined) return [name]
  return group.trunks.toSorted((a, b) => a.priority - b.priority).map(({ trunk }) => trunk)
}

function callerIdAt(trunk: TrunkConfig, caller: Caller, config: RouteSettings, isEmergency: boolean): string {
  if (caller.kind === 'trunk') return ANONYMOUS
  const user = config.users.find(({ name }) => name === caller.user)
  if (user?.callerId === ANONYMOUS && !isEmergency) return ANONYMOUS
  const usual = isEmergency ? config.emergency?.callerId : undefined
  const own = (user === undefined ? undefined : shownNumberOf(user)) ?? usual
  return (
    ((trunk.userNumbers ?? true) ? own : undefined) ?? trunk.callerId ?? trunk.account?.user ?? caller.user
  )
}

function checkWays(
  destination: Destination,
  caller: Caller,
  ways: readonly Way[],
  config: RouteSettings,
): void {
  if (destination.kind !== 'trunk') return
  const party = partyName(caller)
  checkDestination(party, new PartyLimitTable(config).of(party), destination.forms)
  const [first] = ways
  if (first?.refusal === undefined || ways.some(({ refusal }) => refusal === undefined)) return
  checkDestination(
    `trunk:${first.trunk}`,
    new PartyLimitTable(config).of(`trunk:${first.trunk}`),
    destination.forms,
  )
}

function refusalOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return verdictOf(error).message
  }
}

function linesOf(found: Omit<RouteExplanation, 'lines'>, caller: Caller): readonly string[] {
  const { dialled, international, tried, destination, ways, failure } = found
  const form = international === undefined ? 'no international form' : international
  return [
    `${dialled} from ${partyName(caller)} (${form})\n`,
    textTable(tried.map(({ rule, whyNot }) => [`  ${rule}`, whyNot ?? 'matches'])),
    ...(destination === undefined ? [] : [`goes to ${nameOf(destination)}\n`]),
    textTable(
      ways.map(({ trunk, number, callerId, refusal }) => [
        `  trunk ${trunk}`,
        `number ${number}`,
        `caller ID ${callerId}`,
        refusal ?? '',
      ]),
    ),
    ...(failure === undefined
      ? []
      : [`refused with ${failure.status} ${failure.code}: ${failure.message}\n`]),
  ]
}

function nameOf(destination: Destination): string {
  switch (destination.kind) {
    case 'application':
      return `the application ${destination.name}`
    case 'users':
      return `${destination.users.length === 1 ? 'user' : 'users'} ${destination.users.join(', ')}`
    case 'trunk':
      return destination.trunk
    case 'emergency':
      return `emergency, past all limits, by ${destination.trunks.join(', then ')}`
    case 'upstream':
      return 'the PBX that users are registered at'
    default:
      return destination satisfies never
  }
}
