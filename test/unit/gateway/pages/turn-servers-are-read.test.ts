import { expect, test } from 'vitest'
import { Secret } from '../../../../config/secret.ts'
import { parseIceServers } from '../../../../gateway/pages/ice-servers.ts'
import { TurnCredentials } from '../../../../gateway/web/turn.ts'

test('the page reads what the gateway writes', () => {
  const turn = new TurnCredentials(
    { urls: ['turn:turn.example.com?transport=tcp'], secret: new Secret('a shared secret!'), lifetimeS: 600 },
    () => 0,
  )
  expect(parseIceServers(turn.headerFor('alice').value)).toEqual(turn.serversFor('alice'))
})

test.each([
  [undefined],
  [''],
  ['{'],
  ['null'],
  ['[]'],
  ['{"iceServers":[],"lifetimeS":5}'],
  ['{"iceServers":{},"lifetimeS":5}'],
  ['{"iceServers":[{"urls":["turn:a"],"username":"u","credential":"c"}]}'],
  ['{"iceServers":[{"urls":["turn:a"],"username":"u","credential":"c"}],"lifetimeS":0}'],
  ['{"iceServers":[null,5,{"urls":"turn:a"},{"urls":[5],"username":"u","credential":"c"}],"lifetimeS":5}'],
])('%j is no list of servers', (header) => {
  expect(parseIceServers(header)).toBeUndefined()
})
