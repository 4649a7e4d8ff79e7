/** The session at a glance: a lane per agent, a bar per turn, a diamond per checkpoint. */
import { useMemo } from 'react';
import type { Checkpoint, Session, Task } from '@/api/nouns';
import { many } from '@/components/figures';
import { elapsed, useNow } from '@/components/time';
import { displayName } from '@/features/agent/identity';
import { segmentsOf, spanOf, type Segment } from './timeline';

const percent = (at: number, span: { from: number; to: number }): number =>
  ((at - span.from) / (span.to - span.from)) * 100;

function inWords(session: Session, segments: Segment[], checkpoints: number): string {
  const turns = session.participants.map((one) => {
    const mine = segments.filter((segment) => segment.participant === one.id).length;
    return `${displayName(one.agent)} ${many(mine, 'turn')}`;
  });
  return `Timeline: ${turns.join(', ')}, ${many(checkpoints, 'checkpoint')}`;
}

export function TimelineStrip({
  session,
  tasks,
  checkpoints,
}: {
  session: Session;
  tasks: Task[];
  checkpoints: Checkpoint[];
}) {
  const working = session.state === 'running';
  const tick = useNow();
  // Nothing moves in a session at rest.
  const now = working ? tick : 0;
  const segments = useMemo(() => segmentsOf(tasks, now), [tasks, now]);
  if (segments.length === 0) return null;
  const span = spanOf(session, segments);
  return (
    <div className="flex shrink-0 items-center gap-3 border-b border-line px-4 py-1.5">
      <div
        role="img"
        aria-label={inWords(session, segments, checkpoints.length)}
        className="relative min-w-0 flex-1"
      >
        {session.participants.map((one) => (
          <div key={one.id} data-hue={one.vendor} className="relative my-0.75 h-1 rounded-sm bg-hover">
            {segments
              .filter((segment) => segment.participant === one.id)
              .map((segment) => (
                <span
                  key={segment.turn}
                  title={`${displayName(one.agent)} · ${tasks.find((task) => task.id === segment.task)?.title ?? ''} · ${elapsed(segment.to - segment.from)}`}
                  className={`absolute inset-y-0 min-w-0.75 rounded-[2px] ring-1 ring-canvas ${segment.failed ? 'bg-danger' : 'bg-(--agent)'} ${segment.live ? '' : 'opacity-70'}`}
                  style={{
                    left: `${percent(segment.from, span)}%`,
                    width: `${percent(segment.to, span) - percent(segment.from, span)}%`,
                  }}
                />
              ))}
          </div>
        ))}
        {checkpoints.map((checkpoint) => (
          <span
            key={checkpoint.id}
            className="absolute top-1/2 size-2 -translate-1/2 rotate-45 border border-canvas bg-ink"
            style={{ left: `${Math.min(100, percent(Date.parse(checkpoint.created_at), span))}%` }}
          />
        ))}
      </div>
      <span className="shrink-0 text-2xs text-faint">
        {elapsed(Math.max(...segments.map((segment) => segment.to)) - span.from)}
      </span>
    </div>
  );
}
