import type { AgentAudio, AgentEvent, AgentStats } from './agent.ts'
import { CallAudio } from './call-audio.ts'

interface Entry<Session> {
  readonly session: Session
  readonly audios: CallAudio[]
}

/** The sessions of a stack by number, their peer connections, and all that was told of them. */
export class AgentCalls<Session> {
  readonly events: AgentEvent[] = []
  readonly #entries: Entry<Session>[] = []

  add(session: Session): number {
    this.#entries.push({ session, audios: [] })
    return this.#entries.length - 1
  }

  get(call: number): Session {
    return this.#entry(call).session
  }

  numbersWhere(isWanted: (session: Session) => boolean): number[] {
    return this.#entries.flatMap(({ session }, call) => (isWanted(session) ? [call] : []))
  }

  tell(event: AgentEvent): void {
    this.events.push(event)
  }

  /** May be told of the same connection again. */
  addConnection(call: number, connection: RTCPeerConnection | undefined): void {
    const { audios } = this.#entry(call)
    if (connection === undefined || audios.some((audio) => audio.connection === connection)) return
    audios.push(new CallAudio(connection))
  }

  audio(call: number): AgentAudio {
    return this.#newest(call)?.peak() ?? { hz: 0, db: -200 }
  }

  async stats(call: number): Promise<AgentStats> {
    const audio = this.#newest(call)
    if (audio === undefined) throw new Error(`call ${call} has no peer connection`)
    return audio.stats()
  }

  #newest(call: number): CallAudio | undefined {
    return this.#entry(call).audios.at(-1)
  }

  #entry(call: number): Entry<Session> {
    const entry = this.#entries[call]
    if (entry === undefined) throw new Error(`there is no call ${call}`)
    return entry
  }
}
