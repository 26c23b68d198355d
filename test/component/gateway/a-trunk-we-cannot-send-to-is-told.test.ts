import { afterEach, expect, it } from 'vitest'
import { loadConfig } from '../../../config/load.ts'
import type { Log, LogFields } from '../../../config/logging.ts'
import { TrunkTable } from '../../../gateway/trunks/trunk.ts'
import { TrunkTransports } from '../../../gateway/trunks/trunk-transports.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { place } from '../../harness/scripted-calls.ts'
import { ScriptedGateway } from '../../harness/scripted-gateway.ts'
import { resolverOf, trunkConfig } from '../../harness/trunk-config.ts'
import { waitFor } from '../../harness/wait-for.ts'

afterEach(closeAll)

/** The kernel sends nothing there for a socket that has not asked to (SO_BROADCAST), as it sends nothing where there is no route. */
const FORBIDDEN = '255.255.255.255'

it('a datagram that the kernel does not send is told of its trunk, with the reason', async () => {
  const told: (LogFields & { message: string })[] = []
  const ignore = (): void => {}
  const log: Log = {
    error: ignore,
    warn: (message, fields) => told.push({ message, ...fields }),
    info: ignore,
    debug: ignore,
    child: () => log,
  }
  const base = loadConfig(undefined, {})
  const trunk = trunkConfig({ name: 'pbx', host: FORBIDDEN })
  const trunks = new TrunkTable([trunk], { resolver: resolverOf(), nowMs: () => 0, supported: ['udp'] })
  await trunks.refresh()
  const unsent: string[] = []
  const transports = await TrunkTransports.open({
    config: { ...base, trunks: [trunk], udp: { ...base.udp, host: ['127.0.0.1'], port: 0 } },
    trunks,
    token: () => 'x',
    log,
    handler: { onMessage: () => {}, onClose: () => {} },
    onUnsent: (name, reason) => unsent.push(`${name} ${reason}`),
    onSocket: () => {},
  })
  closing({ close: async () => transports.close() })
  const [path] = trunks.get('pbx')?.servers.flatMap((server) => server.paths) ?? []
  if (path === undefined) throw new Error('no way to the trunk')
  transports.flowTo(path).send(Buffer.from('OPTIONS sip:pbx SIP/2.0\r\n\r\n'))
  await waitFor('the word', () => unsent.length > 0)
  expect(unsent).toEqual(['pbx EACCES'])
  expect(told).toEqual([
    {
      message: 'trunk cannot be sent to',
      trunk: 'pbx',
      transport: 'udp',
      remote: `${FORBIDDEN}:5060`,
      reason: 'EACCES',
    },
  ])
})

it('a call that fails for it says so, and one long after it does not', async () => {
  const gateway = closing(await ScriptedGateway.open())
  const alice = await gateway.registered('alice')
  const seenOfACall = async (unsent?: string): Promise<unknown> => {
    place(alice, 'alice', '0100')
    await gateway.time.advance(10_000)
    if (unsent !== undefined) gateway.states.noteUnsent('pbx', unsent)
    await gateway.time.advance(30_000)
    gateway.expectsVerdicts('trunk.unreachable')
    return gateway.logged('call failed').at(-1)?.fields?.seen
  }
  gateway.trunkFlow.drops = () => true
  expect(await seenOfACall('ENETUNREACH')).toBe('trunk:pbx: this machine did not send (ENETUNREACH)')
  expect(await seenOfACall()).toBe('trunk:pbx: timeout')
})
