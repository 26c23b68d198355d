/** What rtpengine's control protocol speaks: texts, whole numbers, lists and dictionaries. */
export type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded }

export function bencode(value: Bencoded): string {
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`
  if (typeof value === 'number') return `i${value}e`
  if (isList(value)) return `l${value.map(bencode).join('')}e`
  return `d${Object.entries(value)
    .map(([key, one]) => bencode(key) + bencode(one))
    .join('')}e`
}

/** Throws on anything that is not one whole value. */
export function bdecode(bytes: Buffer): Bencoded {
  const { value, end } = readValue(bytes, 0)
  if (end !== bytes.length) throw new Error(`bytes behind a value: ${bytes.subarray(end).toString('latin1')}`)
  return value
}

interface Read {
  readonly value: Bencoded
  readonly end: number
}

const isList = (value: Bencoded): value is readonly Bencoded[] => Array.isArray(value)

function readValue(bytes: Buffer, at: number): Read {
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case 'i': {
      const end = indexOf(bytes, 'e', at)
      return { value: Number(bytes.toString('latin1', at + 1, end)), end: end + 1 }
    }
    case 'l': {
      const { values, end } = readUntilEnd(bytes, at + 1)
      return { value: values, end }
    }
    case 'd': {
      const { values, end } = readUntilEnd(bytes, at + 1)
      const pairs = values.flatMap((key, index) =>
        index % 2 === 0 ? [[String(key), values[index + 1] ?? '']] : [],
      )
      return { value: Object.fromEntries(pairs), end }
    }
    default: {
      const colon = indexOf(bytes, ':', at)
      const end = colon + 1 + Number(bytes.toString('latin1', at, colon))
      return { value: bytes.toString('utf8', colon + 1, end), end }
    }
  }
}

function readUntilEnd(
  bytes: Buffer,
  from: number,
): { readonly values: readonly Bencoded[]; readonly end: number } {
  const values: Bencoded[] = []
  let at = from
  while (String.fromCharCode(bytes[at] ?? 0) !== 'e') {
    const { value, end } = readValue(bytes, at)
    values.push(value)
    at = end
  }
  return { values, end: at + 1 }
}

function indexOf(bytes: Buffer, character: string, from: number): number {
  const at = bytes.indexOf(character, from)
  if (at < 0) throw new Error(`no ${character} from ${from} on`)
  return at
}
