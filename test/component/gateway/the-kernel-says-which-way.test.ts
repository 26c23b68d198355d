import { expect, test } from 'vitest'
import { localAddressTowards } from '../../../gateway/addresses.ts'

/** No socket may send there unless it has asked to (SO_BROADCAST): on every machine the kernel refuses the connection, as it does where there is no route. */
const REFUSED = { address: '255.255.255.255', port: 5060 }

test('the address of ours is the one the kernel would send from', async () => {
  expect(await localAddressTowards({ address: '127.0.0.1', port: 5060 }, ['0.0.0.0'])).toBe('127.0.0.1')
})

// Before, the error went where nobody looked, and a machine without a route sent to its trunks from whatever came first.
test('where the kernel refuses the way, its reason is told', async () => {
  await expect(localAddressTowards(REFUSED, ['0.0.0.0'])).rejects.toThrow('EACCES')
})
