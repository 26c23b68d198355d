import { type Row, ratio } from './summary.ts'

const COLUMNS = [
  'keys',
  'calls',
  'system',
  'CPU us/packet',
  'ratio',
  'core %',
  'others %',
  'loss %',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'KiB/call',
  'set-ups/s',
  'DTLS/s',
  'queue drops',
  'own drops',
  'wrong',
  'disturbed',
] as const

/** A line for each row, under a head. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [COLUMNS, ...rows.map((row) => cellsOf(row, rows))]
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) => line.map((text, column) => text.padStart(widths[column] ?? 0)).join('  '))
    .join('\n')
}

/** Columns that a reader of `media/README.md` wants. */
const MARKDOWN: readonly (typeof COLUMNS)[number][] = [
  'keys',
  'calls',
  'system',
  'CPU us/packet',
  'ratio',
  'core %',
  'loss %',
  'p50 ms',
  'p99 ms',
  'KiB/call',
  'set-ups/s',
  'DTLS/s',
]

/** The same in fewer columns, as `media/README.md` has it. */
export function formatMarkdown(rows: readonly Row[]): string {
  const columns = MARKDOWN.map((name) => COLUMNS.indexOf(name))
  const line = (cells: readonly string[]): string =>
    `| ${columns.map((column) => cells[column] ?? '').join(' | ')} |`
  const body = rows.map((row) => line(cellsOf(row, rows)))
  return [line(COLUMNS), `|${columns.map(() => '---|').join('')}`, ...body, ''].join('\n')
}

function cellsOf(row: Row, rows: readonly Row[]): readonly string[] {
  const share = row.system === 'rtpengine' ? undefined : ratio(rows, row.scenario, row.calls, row.system)
  return [
    row.scenario,
    String(row.calls),
    row.system,
    row.cpuUsPerPacket.toFixed(2),
    share?.toFixed(3) ?? '',
    (row.coreShare * 100).toFixed(0),
    (row.othersShare * 100).toFixed(0),
    (row.lossShare * 100).toFixed(3),
    row.p50Ms.toFixed(3),
    row.p99Ms.toFixed(2),
    row.p999Ms.toFixed(2),
    row.kiBPerCall.toFixed(1),
    perSecond(row.setUpMs),
    row.handshakeMs === undefined ? '' : perSecond(row.handshakeMs),
    String(row.queueDrops),
    String(row.ownDrops),
    String(row.wrong),
    row.disturbed === 0 ? '' : `${row.disturbed} of ${row.rounds}`,
  ]
}

/** How often a core could do what takes so long. */
const perSecond = (ms: number): string => (1_000 / ms).toFixed(0)
