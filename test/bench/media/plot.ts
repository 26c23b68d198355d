/** One line of the plot: its points from left to right. */
export interface Line {
  readonly name: string
  readonly colour: string
  readonly points: readonly { readonly calls: number; readonly us: number }[]
}

export interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
}

const PANEL = { width: 420, height: 320 }
const MARGIN = { left: 56, right: 16, top: 40, bottom: 72 }
const STEPS = [1, 2, 5, 10, 20, 50, 100]
const MOST_GRID_LINES = 7

/**
 * CPU microseconds per forwarded packet against calls, a panel beside the other, as SVG. Calls are on a logarithmic axis, marked
 * where there are points; the other begins at 0 and is the same in all panels.
 */
export function drawPlot(panels: readonly Panel[], caption: string): string {
  const most = Math.max(1, ...pointsOf(panels).map(({ us }) => us))
  const step = STEPS.find((one) => most / one <= MOST_GRID_LINES) ?? most
  const top = Math.ceil(most / step) * step
  const width = PANEL.width * panels.length
  const height = PANEL.height + 24
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>CPU microseconds per forwarded packet against calls</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...panels.map((panel, index) => drawPanel(panel, index * PANEL.width, top, step)),
    `<text x="${MARGIN.left}" y="${height - 10}" fill="#555555" font-size="11">${escaped(caption)}</text>`,
    '</svg>',
    '',
  ].join('\n')
}

const pointsOf = (panels: readonly Panel[]): Line['points'] =>
  panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points))

function drawPanel(panel: Panel, left: number, top: number, step: number): string {
  const marks = [...new Set(pointsOf([panel]).map(({ calls }) => calls))].sort((a, b) => a - b)
  const [least = 1] = marks
  const most = Math.max(least + 1, marks.at(-1) ?? 1)
  const inner = {
    width: PANEL.width - MARGIN.left - MARGIN.right,
    height: PANEL.height - MARGIN.top - MARGIN.bottom,
  }
  const x = (calls: number): number =>
    round(left + MARGIN.left + (Math.log(calls / least) / Math.log(most / least)) * inner.width)
  const y = (us: number): number => round(MARGIN.top + inner.height * (1 - us / top))
  const right = left + PANEL.width - MARGIN.right
  const bottom = y(0)
  const grid = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step).map(
    (us) =>
      `<path d="M${left + MARGIN.left} ${y(us)}H${right}" stroke="#dddddd"/><text x="${left + MARGIN.left - 6}" y="${y(us) + 4}" text-anchor="end">${us}</text>`,
  )
  return [
    '<g>',
    `<text x="${left + MARGIN.left}" y="20" font-weight="bold">${escaped(panel.title)}</text>`,
    ...grid,
    ...marks.map((calls) => `<text x="${x(calls)}" y="${bottom + 16}" text-anchor="middle">${calls}</text>`),
    `<text x="${(left + MARGIN.left + right) / 2}" y="${bottom + 32}" text-anchor="middle">calls</text>`,
    `<text transform="translate(${left + 16} ${(MARGIN.top + bottom) / 2}) rotate(-90)" text-anchor="middle">CPU us per packet</text>`,
    ...panel.lines.map((line) => drawLine(line, x, y)),
    ...panel.lines.map((line, index) => drawKey(line, left + MARGIN.left + index * 118, bottom + 50)),
    '</g>',
  ].join('\n')
}

function drawLine({ colour, points }: Line, x: (calls: number) => number, y: (us: number) => number): string {
  const path = points.map(({ calls, us }, index) => `${index === 0 ? 'M' : 'L'}${x(calls)} ${y(us)}`).join('')
  const dots = points.map(
    ({ calls, us }) => `<circle cx="${x(calls)}" cy="${y(us)}" r="3" fill="${colour}"/>`,
  )
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}`
}

const drawKey = ({ name, colour }: Line, x: number, y: number): string =>
  `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour}"/><text x="${x + 15}" y="${y}">${escaped(name)}</text>`

const round = (value: number): number => Math.round(value * 10) / 10

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
