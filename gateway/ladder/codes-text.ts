import type { FailureRow, Stage } from '../../config/stage.ts'

export const STAGE_NAMES: Readonly<Record<Stage, string>> = {
  S1: 'signalling',
  S2: 'SDP',
  S3: 'ICE',
  S4: 'DTLS',
  S5: 'SRTP',
  S6: 'media',
}

/** The table of codes for a person, stage by stage. */
export function codesText(codes: Readonly<Record<string, FailureRow>>): string {
  const rows = Object.entries(codes)
  return Object.entries(STAGE_NAMES)
    .map(([stage, name]) => {
      const own = rows.filter(([, row]) => row.stage === stage)
      return `${stage} ${name}\n\n${own.map(([code, row]) => rowText(code, row)).join('')}`
    })
    .join('\n')
}

function rowText(code: string, { text, status, cause, remedy, isWarning }: FailureRow): string {
  const effect = isWarning === true ? 'the call goes on' : `SIP ${status}`
  return `  ${code}: ${text} (${effect})\n      cause: ${cause}\n      do:    ${remedy}\n`
}
