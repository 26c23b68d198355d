import type { FailureRow } from '../config/stage.ts'
import { textTable } from './text-table.ts'

/** The table of codes for a person, by stage. */
export function codesText(codes: Readonly<Record<string, FailureRow>>): string {
  const rows = Object.entries(codes).map(([code, { stage, status, text }]) => [
    stage,
    code,
    String(status),
    text,
  ])
  rows.sort(([a = ''], [b = '']) => (a < b ? -1 : a > b ? 1 : 0))
  return textTable([['STAGE', 'CODE', 'SIP', 'WHAT HAPPENED'], ...rows])
}
