/** Who is on the bus: ours and the vendors' own terminals, whether they live, where they are and what they do. */
import { useQuery } from '@tanstack/react-query';
import type { Presence } from '@/api/nouns';
import { registrationsQuery } from '@/api/queries';
import { NamedAgent } from './identity';
import { StatusWord } from './status';
import { VitalityWord } from './vitality';

/** Of our own the daemon tells more elsewhere; of a terminal this is all there is. */
export function whereabouts(one: Presence): string {
  if (one.vendor === 'coditect') return one.machine === null ? 'the daemon' : `the daemon on ${one.machine}`;
  const place = one.session
    ? 'in a session'
    : ['terminal', one.tty ?? (one.pid === null ? null : `pid ${one.pid}`)];
  const worktree = one.session ? null : one.worktree?.split('/').findLast(Boolean);
  const machine = one.machine === null ? null : `on ${one.machine}`;
  return [place, worktree, machine].flat().filter(Boolean).join(' · ');
}

/** What it works on: its task, else the files it holds. */
export function occupation(one: Presence): string | null {
  if (one.task !== null) return one.task;
  const [first, ...more] = one.active_files;
  if (first === undefined) return null;
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}

/** The user of this machine; at others sit other people. */
function isYou(one: Presence): boolean {
  return one.vendor === 'coditect' && one.machine === null;
}

export function Presences() {
  const found = useQuery(registrationsQuery).data?.filter((one) => one.phase !== 'terminated');
  if (found?.length === 0) return <p className="px-4 text-xs text-faint">Nobody is on the bus.</p>;
  return (
    <ul>
      {found?.map((one) => {
        const busy = occupation(one);
        return (
          <li key={one.id} className="px-4 py-0.5">
            <span className="flex items-baseline gap-2">
              <span className="flex min-w-0 flex-1 items-baseline gap-1.5">
                {isYou(one) ? <span>You</span> : <NamedAgent name={one.agent} />}
                {one.sub_agent && <span className="truncate text-xs text-muted">› {one.sub_agent}</span>}
              </span>
              {one.status && <StatusWord status={one.status} />}
              <VitalityWord vitality={one.vitality} since={one.heartbeat_at} />
            </span>
            <span className="flex gap-2 pl-5 text-2xs text-faint" title={one.worktree ?? undefined}>
              <span className="shrink-0">{whereabouts(one)}</span>
              {busy !== null && (
                <span className="min-w-0 truncate text-muted" title={one.active_files.join('\n')}>
                  {busy}
                </span>
              )}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
