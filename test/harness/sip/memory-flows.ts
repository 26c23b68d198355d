import type { Flow } from '../../../sip/flow.ts'

/** An open WebSocket to nowhere, for stores that only remember flows. */
export const flowTo = (id: string): Flow => ({
  id,
  transport: 'wss',
  local: { address: '192.0.2.1', port: 443 },
  remote: { address: '192.0.2.9', port: 50_000 },
  scope: id,
  isOpen: true,
  send: () => {},
  close: () => {},
})
