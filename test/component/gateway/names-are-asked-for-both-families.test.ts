import { afterEach, expect, it } from 'vitest'
import { Dns } from '../../../gateway/trunks/dns.ts'
import { closeAll, closing } from '../../harness/closing.ts'
import { DnsServer } from '../../harness/dns-server.ts'

afterEach(closeAll)

/** Questions that this server refuses: all about names outside of `.test` that it has no record for. */
async function open(): Promise<Dns> {
  const hosts = ['four.example,192.0.2.7', 'six.example,2001:db8::7', 'both.test,192.0.2.8,2001:db8::8']
  const server = closing(await DnsServer.start({ hosts }))
  const dns = new Dns([server.address])
  closing({ close: async () => dns.close() })
  return dns
}

it('addresses of one family are known though the question for the other fails', async () => {
  const dns = await open()
  const recordsOf = async (host: string) => (await dns.addresses(host)).records
  expect(await recordsOf('four.example')).toEqual(['192.0.2.7'])
  expect(await recordsOf('six.example')).toEqual(['2001:db8::7'])
  expect(await recordsOf('both.test')).toEqual(['192.0.2.8', '2001:db8::8'])
  expect(await recordsOf('none.test')).toEqual([])
  await expect(dns.addresses('none.example')).rejects.toThrow('EREFUSED')
})
