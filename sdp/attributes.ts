import type { Attribute } from './description.ts'
import { malformed } from './lines.ts'

/** A block that carries raw attributes: the session, or one section. */
export interface AttributeBlock {
  readonly attributes: readonly Attribute[]
}

export function hasAttribute(block: AttributeBlock, name: string): boolean {
  return block.attributes.some((attribute) => attribute.name === name)
}

/** RTCP on the RTP port, offered or demanded (RFC 5761 §5.1.1, RFC 8858). */
export function hasRtcpMux(block: AttributeBlock): boolean {
  return hasAttribute(block, 'rtcp-mux') || hasAttribute(block, 'rtcp-mux-only')
}

/** Values of all attributes of this name, in order; one without a value reads ''. */
export function attributeValues(block: AttributeBlock, name: string): readonly string[] {
  return block.attributes
    .filter((attribute) => attribute.name === name)
    .map((attribute) => (attribute.value ?? '').trim())
}

/**
 * The value of an attribute that stands at most once in a block. Repeating it with the same value is harmless; two
 * different ones are refused, because picking either would let a middlebox and us see different calls.
 */
function singleAttribute(block: AttributeBlock, name: string): string | undefined {
  const values = new Set(attributeValues(block, name))
  if (values.size > 1) throw malformed(`two different a=${name} lines in one block`)
  const [value] = values
  return value
}

/** The first block that has the attribute decides, the others are not looked at (media level before session level). */
export function inheritedAttribute(blocks: readonly AttributeBlock[], name: string): string | undefined {
  const block = blocks.find((candidate) => hasAttribute(candidate, name))
  return block === undefined ? undefined : singleAttribute(block, name)
}
