import type { Config } from '../../config/config.ts'
import { UPSTREAM } from '../../config/upstream.ts'
import { announcedFor } from '../../media/ice/host-candidates.ts'
import { type Flow, isBrowserFlow } from '../../sip/flow.ts'

/** Via and Contact: towards a trunk the address it can reach, towards a browser our name (it answers on its WebSocket). */
export function sentBy(
  config: Config,
  flow: Flow,
): { readonly host: string; readonly port: number | undefined } {
  if (isBrowserFlow(flow)) return { host: config.domain, port: undefined }
  const isPbx = flow.scope === `trunk:${UPSTREAM}`
  const { announced } = (isPbx ? config.upstream?.local : undefined) ?? config.udp
  return { host: announcedFor(flow.local.address, announced), port: flow.local.port }
}
