import { UNSAFE } from '../../config/log-line.ts'

/** Columns as wide as their widest cell, two blanks between; the last column is not padded. Ends with a newline. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    })
  }
  return rows
    .map((row) =>
      row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0))),
    )
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('')
}

/** What a peer wrote, for a terminal: no character moves the cursor or turns the text around. */
export const printable = (text: string): string => text.replace(UNSAFE, '?')

/** For `--json`: indented, ends with a newline. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`
