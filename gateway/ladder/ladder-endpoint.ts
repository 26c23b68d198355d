import type { ServerResponse } from 'node:http'
import type { FailureRow } from '../../config/stage.ts'
import { CODES } from '../diagnosis.ts'
import { type Endpoint, jsonContent, PRIVATE_HEADERS, respond } from '../web/respond.ts'
import type { CallHistory } from './call-history.ts'
import type { CallReport, Finding, LegReport } from './call-report.ts'
import type { LadderTickets } from './ladder-tickets.ts'

/** What a user may know of a call of theirs: stages, codes and times; of the far side no address, no trunk's name, no detail. */
export interface OwnLadder {
  readonly callId: string
  readonly state: CallReport['state']
  readonly outcome: CallReport['outcome']
  readonly verdict?: OwnFinding
  readonly findings: readonly OwnFinding[]
  readonly legs: readonly {
    readonly isOwn: boolean
    readonly kind: LegReport['kind']
    readonly codec?: string
    readonly rungs: LegReport['rungs']
  }[]
}

export interface OwnFinding {
  readonly stage: string
  readonly code: string
  readonly text: string
  readonly atMs: number
  /** Undefined for what is of no leg. */
  readonly isOwn?: boolean
  readonly direction?: string
  /** Of the own leg only. */
  readonly expected?: string
  readonly seen?: string
}

export interface LadderOptions {
  readonly history: CallHistory
  readonly tickets: LadderTickets
}

/**
 * `GET /ladder?call=CALL-ID` with the ticket as `Authorization: Bearer`: the ladder of an own call, live or just over, as JSON. 401
 * without a good ticket; 404 for a call that is not the user's, whether there is one or not.
 */
export function createLadder({ history, tickets }: LadderOptions): Endpoint {
  return (request, response) => {
    const ticket = /^Bearer ([\w.-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
    const user = ticket === undefined ? undefined : tickets.userOf(ticket)
    if (user === undefined) {
      answer(
        response,
        401,
        { error: 'no good ticket' },
        { 'WWW-Authenticate': 'Bearer', Connection: 'close' },
      )
      return
    }
    const callId = new URL(request.url ?? '/', 'http://ladder').searchParams.get('call') ?? ''
    const trace = history.findExactly(callId)
    if (trace === undefined || !trace.parties.has(`user:${user}`)) {
      answer(response, 404, { error: 'no such call of yours' })
      return
    }
    answer(response, 200, ownLadder(trace.report(), `user:${user}`))
  }
}

function ownLadder(report: CallReport, party: string): OwnLadder {
  const own = new Set(report.legs.filter((leg) => leg.party === party).map(({ name }) => name))
  const { callId, state, outcome, verdict, findings, legs } = report
  return {
    callId,
    state,
    outcome,
    ...(verdict === undefined ? {} : { verdict: ownFinding(verdict, own) }),
    findings: findings.map((finding) => ownFinding(finding, own)),
    legs: legs.map(({ name, kind, codec, rungs }) => ({
      isOwn: own.has(name),
      kind,
      ...(codec === undefined ? {} : { codec }),
      rungs,
    })),
  }
}

function ownFinding(
  { stage, code, atMs, leg, direction, expected, seen }: Finding,
  own: ReadonlySet<string>,
): OwnFinding {
  const isOwn = leg === undefined ? undefined : own.has(leg)
  const row: FailureRow = CODES[code]
  return {
    stage,
    code,
    text: row.text,
    atMs,
    ...(isOwn === undefined ? {} : { isOwn }),
    ...(direction === undefined ? {} : { direction }),
    ...(isOwn !== true || expected === undefined ? {} : { expected }),
    ...(isOwn !== true || seen === undefined ? {} : { seen }),
  }
}

function answer(
  response: ServerResponse,
  status: number,
  value: unknown,
  more: Readonly<Record<string, string>> = {},
): void {
  respond(response, status, jsonContent(value), { ...PRIVATE_HEADERS, ...more })
}
