import type { Code } from '../diagnosis.ts'

/** What the gateway has found wrong with a call of ours. */
export interface GatewayFinding {
  readonly code: Code
  /** On our side of the call, on the far one, or of the call as a whole. */
  readonly side: 'own' | 'far' | undefined
}

/** What is not of the expected form is left out: the gateway may be of another version than the page. */
export function readFindings(
  answer: unknown,
  isCode: (code: string) => code is Code,
): readonly GatewayFinding[] {
  const rows: unknown = isObject(answer) ? answer.findings : undefined
  if (!Array.isArray(rows)) return []
  return rows.flatMap((row: unknown): GatewayFinding[] => {
    if (!isObject(row) || typeof row.code !== 'string' || !isCode(row.code)) return []
    const side = row.isOwn === true ? 'own' : row.isOwn === false ? 'far' : undefined
    return [{ code: row.code, side }]
  })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
