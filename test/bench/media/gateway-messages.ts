import type { FarEnds, NearEnds } from './system.ts'

/** What the bench asks of the process with the gateway's engine, and what that answers. */
export type GatewayRequest =
  | { readonly kind: 'open'; readonly calls: readonly FarEnds[] }
  | { readonly kind: 'drops' }
  | { readonly kind: 'collect' }

export type GatewayReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'opened'; readonly calls: readonly NearEnds[] }
  | { readonly kind: 'drops'; readonly drops: Readonly<Record<string, number>> }
  | { readonly kind: 'collected' }
  | { readonly kind: 'failed'; readonly reason: string }
