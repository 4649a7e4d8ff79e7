/** Who worked when: the session's turns as segments per participant. Pure. */
import type { Session, Task } from '@/api/nouns';

export interface Segment {
  turn: string;
  participant: string;
  task: string;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  live: boolean;
  failed: boolean;
}

/** One segment per turn, to now while it goes on. Queued work has no place in time yet. */
export function segmentsOf(tasks: readonly Task[], now: number): Segment[] {
  return tasks.flatMap((task) =>
    task.turns.map((turn) => {
      const from = Date.parse(turn.started_at);
      const to = turn.ended_at === null ? now : Date.parse(turn.ended_at);
      return {
        turn: turn.id,
        participant: turn.participant,
        task: task.id,
        from,
        // Clocks of daemon and page may differ by a little.
        to: Math.max(from, to),
        live: turn.ended_at === null,
        failed: turn.outcome?.state === 'failed',
      };
    }),
  );
}

/** From the first segment to the last, at least a minute, so that the first seconds do not fill the strip. */
export function spanOf(session: Session, segments: readonly Segment[]): { from: number; to: number } {
  const created = Date.parse(session.created_at);
  const from = segments.length > 0 ? Math.min(...segments.map((segment) => segment.from)) : created;
  const to = Math.max(from + 60_000, ...segments.map((segment) => segment.to));
  return { from, to };
}
