import type { FailureRow } from '../../config/stage.ts'
import { printable, textTable } from '../commands/text-table.ts'
import { CODES } from '../diagnosis.ts'
import type { CallReport, Finding, LegReport, Rung } from './call-report.ts'
import { STAGE_NAMES } from './codes-text.ts'

/** The ladder of a call for a person: who, how it went, what is wrong and what to do, and each rung with its time. */
export function ladderText(report: CallReport): string {
  const found = [...report.findings].sort((one, other) => rank(report, one) - rank(report, other))
  return [headline(report), ...found.map(findingText), ladder(report)].join('\n')
}

/** All that happened, in order. */
export function timelineText({ timeline, omitted }: CallReport): string {
  const lines = timeline.map(({ atMs, leg = '', direction, what, detail = '' }) => {
    const arrow = direction === undefined ? '  ' : direction === 'received' ? '->' : '<-'
    const [first = '', ...rest] = detail.split('\n')
    const more = rest.map((line) => `\n${' '.repeat(14)}${printable(line)}`).join('')
    return `${time(atMs).padStart(9)} ${leg.padEnd(10)} ${arrow} ${what} ${printable(first)}`.trimEnd() + more
  })
  return `${lines.join('\n')}\n${omitted === 0 ? '' : `${omitted} more lines had no room\n`}`
}

/** The verdict first, then by time. */
const rank = ({ verdict }: CallReport, { code, atMs, leg }: Finding): number =>
  code === verdict?.code && leg === verdict.leg ? -1 : atMs

function headline(report: CallReport): string {
  const { callId, caller, callee, startedAt, state, endedMs } = report
  const parties = `${printable(caller)} -> ${printable(callee)}`
  const how =
    state === 'ended'
      ? `${report.outcome} ${endedMs === undefined ? '' : `after ${seconds(endedMs)}`}`
      : state
  return `call ${printable(callId)}\n${parties}, ${startedAt.slice(0, 19)}Z: ${how.trim()}\n`
}

function findingText(finding: Finding): string {
  const { code, stage, leg, direction, expected, seen, atMs } = finding
  const row: FailureRow = CODES[code]
  const place = [
    ...(leg === undefined ? [] : [`${leg} leg`]),
    ...(direction === undefined ? [] : [direction === 'received' ? 'from the peer' : 'to the peer']),
  ].join(', ')
  const lines = [
    `${stage} ${STAGE_NAMES[stage]}: ${code}${place === '' ? '' : ` (${place})`} at ${time(atMs)}`,
    `   what      ${row.text}`,
    ...(expected === undefined ? [] : [`   expected  ${printable(expected)}`]),
    ...(seen === undefined ? [] : [`   seen      ${printable(seen)}`]),
    `   cause     ${row.cause}`,
    `   do        ${row.remedy}`,
  ]
  return `${lines.join('\n')}\n`
}

function ladder({ legs }: CallReport): string {
  const names = [...new Set(legs.flatMap(({ rungs }) => rungs.map(rungName)))].sort()
  const rows = names.map((name) => [
    name,
    ...legs.map((leg) => rungText(leg.rungs.find((rung) => rungName(rung) === name))),
  ])
  return textTable([
    ['', ...legs.map((leg) => `${leg.name} ${printable(leg.party)} (${mediaOf(leg)})`)],
    ...rows,
    ...qualityRows(legs),
  ])
}

const mediaOf = ({ kind, codec }: LegReport): string => (codec === undefined ? kind : `${kind}, ${codec}`)

const WAYS = { received: 'from peer', sent: 'to peer' } as const

const rungName = ({ stage, direction }: Rung): string =>
  `${stage} ${STAGE_NAMES[stage]}${direction === undefined ? '' : ` ${WAYS[direction]}`}`

function rungText(rung: Rung | undefined): string {
  if (rung === undefined) return ''
  const at = rung.atMs === undefined ? '' : ` ${time(rung.atMs)}`
  return { climbed: `ok${at}`, open: '-', impaired: `WRONG${at}`, failed: `FAILED${at}` }[rung.state]
}

function qualityRows(legs: readonly LegReport[]): readonly (readonly string[])[] {
  if (legs.every(({ stats }) => stats === undefined)) return []
  const cells = (text: (leg: NonNullable<LegReport['stats']>) => string) =>
    legs.map(({ stats }) => (stats === undefined ? '' : text(stats)))
  return [
    ['packets in/out', ...cells((stats) => `${stats.packetsReceived}/${stats.packetsSent}`)],
    [
      'MOS',
      ...cells(({ mos, lossRatio = 0, jitterMs = 0 }) =>
        mos === undefined
          ? '-'
          : `${mos.toFixed(1)} (loss ${(lossRatio * 100).toFixed(1)} %, jitter ${Math.round(jitterMs)} ms)`,
      ),
    ],
  ]
}

const time = (ms: number): string => `${(ms / 1_000).toFixed(3)} s`
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
