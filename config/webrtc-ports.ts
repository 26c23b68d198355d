import type { MediaConfig } from './config.ts'

/** UDP ports of browser media: from `webrtcPort` on, one for each thread; none where the system is to pick them. */
export const webrtcPorts = ({
  webrtcPort,
  threads,
}: Pick<MediaConfig, 'webrtcPort' | 'threads'>): readonly number[] =>
  webrtcPort === 0 ? [] : Array.from({ length: threads }, (_, at) => webrtcPort + at)
