/** Who worked when: the session's time cut into segments per participant. Pure. */
import type { Message, Session, Task } from '@/api/nouns';
import { isOpen } from '@/features/task/state';

export interface Segment {
  participant: string;
  task: string;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  live: boolean;
  failed: boolean;
}

/**
 * One segment per target of a task. A turn has no times of its own on the wire, so its messages give them: from the
 * request behind the first one to the last one, or to now while it goes on.
 */
export function segmentsOf(tasks: readonly Task[], messages: readonly Message[], now: number): Segment[] {
  const extent = new Map<string, { from: number; to: number }>();
  for (const message of messages) {
    if (!message.task || !message.participant) continue;
    const key = `${message.task} ${message.participant}`;
    const at = Date.parse(message.created_at);
    const begun = at - (message.latency_ms ?? 0);
    const known = extent.get(key);
    extent.set(key, { from: Math.min(known?.from ?? begun, begun), to: Math.max(known?.to ?? at, at) });
  }
  const segments: Segment[] = [];
  for (const task of tasks) {
    for (const target of task.targets) {
      const known = extent.get(`${task.id} ${target.participant}`);
      const live = isOpen(target.state) && target.state !== 'submitted';
      // Queued work has no place in time yet.
      if (!known && target.state === 'submitted') continue;
      const from = known?.from ?? Date.parse(task.created_at);
      const to = live ? now : (known?.to ?? Date.parse(task.updated_at));
      const failed = target.state === 'failed' || target.state === 'rejected';
      segments.push({
        participant: target.participant,
        task: task.id,
        from,
        to: Math.max(from, to),
        live,
        failed,
      });
    }
  }
  return segments;
}

/** From the first segment to the last, at least a minute, so that the first seconds do not fill the strip. */
export function spanOf(session: Session, segments: readonly Segment[]): { from: number; to: number } {
  const from = Math.min(Date.parse(session.created_at), ...segments.map((segment) => segment.from));
  const to = Math.max(from + 60_000, ...segments.map((segment) => segment.to));
  return { from, to };
}
