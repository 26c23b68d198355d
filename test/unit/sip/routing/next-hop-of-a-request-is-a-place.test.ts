import { expect, it } from 'vitest'
import { nextHop } from '../../../../sip/routing/next-hop.ts'
import { parseRequest, requestText } from '../../../harness/sip/sip-messages.ts'

const hopOf = (uri: string, ...routes: readonly string[]) => {
  const lines = routes.map((route) => `Route: ${route}`)
  return nextHop(parseRequest(requestText('BYE', lines).replace(/^BYE \S+/, `BYE ${uri}`)))
}

it.each([
  ['sip:a@192.0.2.1', '192.0.2.1', 5060],
  ['sip:192.0.2.1:5080', '192.0.2.1', 5080],
  ['sip:a@[2001:db8::1]:5062;transport=UDP', '2001:db8::1', 5062],
])('%s is a place', (uri, address, port) => {
  expect(hopOf(uri)).toEqual({ address, port })
})

it.each([
  'sip:a@pbx.example.com',
  'sips:a@192.0.2.1',
  'sip:a@192.0.2.1;transport=tcp',
  'sip:a@192.0.2.1;maddr=192.0.2.2',
  'tel:+4930',
])('%s is none', (uri) => {
  expect(hopOf(uri)).toBeUndefined()
})

it('the first Route comes before the URI, also where it is a name', () => {
  expect(hopOf('sip:a@192.0.2.1', '<sip:192.0.2.7;lr>, <sip:192.0.2.8;lr>')).toEqual({
    address: '192.0.2.7',
    port: 5060,
  })
  expect(hopOf('sip:a@192.0.2.1', '<sip:proxy.example.com;lr>')).toBeUndefined()
})
