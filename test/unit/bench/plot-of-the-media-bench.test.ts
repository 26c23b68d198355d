import { expect, test } from 'vitest'
import { drawPlot, type Panel } from '../../bench/media/plot.ts'

const PANEL: Panel = {
  title: 'RTP <-> SRTP',
  lines: [
    {
      name: 'gateway',
      colour: '#000001',
      points: [
        { calls: 50, us: 15 },
        { calls: 500, us: 5 },
      ],
    },
    {
      name: 'rtpengine',
      colour: '#000002',
      points: [
        { calls: 50, us: 24 },
        { calls: 500, us: 12 },
      ],
    },
  ],
}

const circles = (svg: string): { x: number; y: number; colour: string }[] =>
  [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3" fill="([^"]+)"/g)].map(([, x, y, colour]) => ({
    x: Number(x),
    y: Number(y),
    colour: colour ?? '',
  }))

test('less CPU is lower, more calls are further right, and the same is the same in all panels', () => {
  const [a, b, c, d, ...second] = circles(drawPlot([PANEL, PANEL], 'machine'))
  expect([a, b, c, d].map((one) => one?.colour)).toEqual(['#000001', '#000001', '#000002', '#000002'])
  expect(b?.x).toBeGreaterThan(a?.x ?? Number.NaN)
  expect(b?.y).toBeGreaterThan(a?.y ?? Number.NaN)
  expect(c?.y).toBeLessThan(a?.y ?? Number.NaN)
  expect(c?.x).toBe(a?.x)
  expect(second.map(({ y }) => y)).toEqual([a, b, c, d].map((one) => one?.y))
})

test('the axis begins at nothing and ends above all points', () => {
  const svg = drawPlot([PANEL], 'machine')
  const marks = [...svg.matchAll(/text-anchor="end">(\d+)</g)].map(([, text]) => Number(text))
  expect(marks).toEqual([0, 5, 10, 15, 20, 25])
  expect([...svg.matchAll(/text-anchor="middle">(\d+)</g)].map(([, text]) => text)).toEqual(['50', '500'])
})

test('it says what it is', () => {
  expect(drawPlot([PANEL], 'machine')).toMatch(/^<svg [^>]*>\n<title>CPU .+<\/title>/)
})

test('texts are escaped, and one point alone is drawn', () => {
  const one = { ...PANEL, lines: [{ name: 'a & b', colour: '#fff', points: [{ calls: 500, us: 0.4 }] }] }
  const svg = drawPlot([one], 'x < y')
  expect(svg).toContain('RTP &lt;-&gt; SRTP')
  expect(svg).toContain('a &amp; b')
  expect(svg).toContain('x &lt; y')
  expect(svg).not.toContain('NaN')
  expect(circles(svg)).toHaveLength(1)
})
