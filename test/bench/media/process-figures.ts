import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** What the kernel tells of another process. */

const readOr = (file: string, missing: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // A thread or file of it has gone since its folder was read.
    return missing
  }
}

/** What all its threads have run so far, user and system. */
export function processTimeMs(pid: number): number {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder)
    .map((thread) => Number(readOr(`${folder}/${thread}/schedstat`, '0').split(' ')[0]) / 1e6)
    .reduce((sum, ms) => sum + ms, 0)
}

export function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN)
}

/** Datagrams that its UDP sockets over IPv4 had no place for, ever since they were opened. */
export function queueDrops(pid: number): number {
  const folder = `/proc/${pid}/fd`
  const inodes = new Set(
    readdirSync(folder).flatMap((name) => {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${name}`))?.[1]
        return inode === undefined ? [] : [inode]
      } catch {
        return []
      }
    }),
  )
  return sumOfDrops(readFileSync('/proc/net/udp', 'utf8'), inodes)
}

/** `table`: /proc/net/udp, whose last column is what the queue of a socket had no place for. */
export function sumOfDrops(table: string, inodes: ReadonlySet<string>): number {
  const rows = table.trim().split('\n').slice(1)
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((fields) => inodes.has(fields[9] ?? ''))
    .reduce((sum, fields) => sum + Number(fields[12] ?? 0), 0)
}
