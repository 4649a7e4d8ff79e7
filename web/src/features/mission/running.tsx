/**
 * Every agent at work, one row each: who, doing what, on which task and file, for how long, at what
 * cost. Rows keep their places while you look; `r` puts them in order again.
 */
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { openTasksQuery } from '@/api/queries';
import type { Participant, Session, Task } from '@/api/nouns';
import { NARROW, REORDER } from '@/app/deeds';
import { useMedia } from '@/app/use-media';
import { cost } from '@/components/figures';
import { Elapsed } from '@/components/time';
import { AgentName } from '@/features/agent/identity';
import { isLive, StatusWord } from '@/features/agent/status';

interface Row {
  key: string;
  session: Session;
  participant: Participant | null;
  task: Task | undefined;
}

function rowsOf(sessions: Session[], tasks: Task[]): Row[] {
  return sessions.flatMap((session): Row[] => {
    const live = session.participants.filter((one) => isLive(one.status));
    const mine = tasks.filter((task) => task.session === session.id);
    if (live.length === 0) return [{ key: session.id, session, participant: null, task: mine[0] }];
    return live.map((participant) => ({
      key: participant.id,
      session,
      participant,
      task:
        mine.find((task) =>
          task.targets.some((target) => target.participant === participant.id && target.state === 'working'),
        ) ?? mine.find((task) => task.targets.some((target) => target.participant === participant.id)),
    }));
  });
}

/**
 * The rows in the order they were first seen in, new ones last; a session's rows stay together.
 */
function useStable(rows: Row[]): Row[] {
  const [order, setOrder] = useState<string[]>([]);
  useEffect(() => {
    const again = () => setOrder([]);
    window.addEventListener(REORDER, again);
    return () => window.removeEventListener(REORDER, again);
  }, []);
  const seen = rows.flatMap((row) => [row.session.id, row.key]);
  const news = [...new Set(seen)].filter((key) => !order.includes(key));
  if (news.length > 0) setOrder([...order, ...news]);
  const place = (key: string) => (order.includes(key) ? order.indexOf(key) : order.length);
  return rows.toSorted((a, b) => place(a.session.id) - place(b.session.id) || place(a.key) - place(b.key));
}

/** Since when this agent works on it; a task that waits for its turn is as old as it is. */
function workingSince({ participant, task }: Row): string | undefined {
  const turn = task?.turns.find((one) => one.participant === participant?.id && one.ended_at === null);
  return turn?.started_at ?? task?.created_at ?? participant?.since;
}

const cell = 'py-1 pr-4 align-baseline';

function RunningRow({ row, rowsOfSession }: { row: Row; rowsOfSession: number }) {
  const { session, participant, task } = row;
  const since = workingSince(row);
  return (
    <tr className={rowsOfSession > 0 ? 'border-t border-line first:border-t-0' : ''}>
      {rowsOfSession > 0 && (
        <td rowSpan={rowsOfSession} className={`${cell} max-w-56`}>
          <Link
            data-row
            to="/s/$id"
            params={{ id: session.short_id }}
            className="block truncate rounded-sm font-medium hover:underline"
          >
            {session.title}
          </Link>
        </td>
      )}
      <td className={cell}>
        {participant && <AgentName name={participant.agent} hue={participant.vendor} />}
      </td>
      <td className={`${cell} max-w-64`}>
        {participant ? (
          <span className="flex items-baseline gap-2">
            <StatusWord status={participant.status} />
            <span className="truncate font-mono text-2xs text-muted">{participant.detail}</span>
          </span>
        ) : (
          <span className="text-xs text-muted">queued</span>
        )}
      </td>
      <td className={`${cell} max-w-0`}>
        <span className="block truncate text-muted">{task?.title}</span>
      </td>
      <td className={`${cell} text-right`}>{since && <Elapsed since={since} />}</td>
      {rowsOfSession > 0 && (
        <td rowSpan={rowsOfSession} className="py-1 text-right align-baseline text-muted">
          {cost(session.usage)}
        </td>
      )}
    </tr>
  );
}

/** The same rows for a page too narrow for a table. */
function NarrowRow({ row, first }: { row: Row; first: boolean }) {
  const { session, participant } = row;
  const since = workingSince(row);
  return (
    <li className="flex flex-col">
      {first && (
        <Link
          data-row
          to="/s/$id"
          params={{ id: session.short_id }}
          className="flex items-baseline gap-2 pt-2"
        >
          <span className="min-w-0 flex-1 truncate font-medium">{session.title}</span>
          <span className="text-xs text-muted">{cost(session.usage)}</span>
        </Link>
      )}
      <span className="flex items-baseline gap-2">
        {participant && <AgentName name={participant.agent} hue={participant.vendor} />}
        {participant && <StatusWord status={participant.status} />}
        <span className="min-w-0 flex-1 truncate font-mono text-2xs text-muted">{participant?.detail}</span>
        {since && <Elapsed since={since} className="text-xs text-muted" />}
      </span>
    </li>
  );
}

const sameAs = (row: Row, other: Row | undefined) => other?.session.id === row.session.id;

export function Running({ sessions }: { sessions: Session[] }) {
  const tasks = useQuery(openTasksQuery).data;
  const rows = useStable(useMemo(() => rowsOf(sessions, tasks ?? []), [sessions, tasks]));
  const narrow = useMedia(NARROW);
  if (narrow) {
    return (
      <ul className="px-4">
        {rows.map((row, index) => (
          <NarrowRow key={row.key} row={row} first={!sameAs(row, rows[index - 1])} />
        ))}
      </ul>
    );
  }
  return (
    <div className="overflow-x-auto px-4">
      <table className="w-full min-w-136 border-collapse text-left">
        <thead>
          <tr className="border-b border-line text-2xs text-faint">
            <th className="py-1 pr-4 font-normal">Session</th>
            <th className="py-1 pr-4 font-normal">Agent</th>
            <th className="py-1 pr-4 font-normal">Doing</th>
            <th className="w-full py-1 pr-4 font-normal">Task</th>
            <th className="py-1 pr-4 text-right font-normal">Elapsed</th>
            <th className="py-1 text-right font-normal">Cost</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => {
            const first = !sameAs(row, rows[index - 1]);
            const many = first ? rows.filter((other) => sameAs(row, other)).length : 0;
            return <RunningRow key={row.key} row={row} rowsOfSession={many} />;
          })}
        </tbody>
      </table>
    </div>
  );
}
