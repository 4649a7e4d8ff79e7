/** Held locks in a few lines, for the inspector. */
import type { Locks } from '@/api/nouns';
import { Age } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { waitersOf } from './waiters';

const SHOWN = 8;

export function LockList({ locks, session }: { locks: Locks | undefined; session?: string }) {
  const held = locks?.items.filter((lock) => session === undefined || lock.session === session) ?? [];
  if (locks && held.length === 0) return <p className="px-4 text-xs text-faint">No file is held.</p>;
  return (
    <ul>
      {held.slice(0, SHOWN).map((lock) => {
        const waiters = locks ? waitersOf(lock, locks.waits) : [];
        return (
          <li key={`${lock.token} ${lock.path}`} className="px-4 py-0.5">
            <span className="flex items-baseline gap-2">
              <span className="min-w-0 flex-1 truncate font-mono text-2xs" title={lock.path}>
                {lock.path}
              </span>
              <span className="shrink-0 text-xs">
                <NamedAgent name={lock.agent} />
              </span>
              <Age since={lock.acquired_at} className="w-7 shrink-0 text-right text-2xs text-faint" />
            </span>
            {waiters.map((wait) => (
              <span key={wait.waiter} className="flex items-baseline gap-1.5 pl-3 text-xs text-warn">
                <NamedAgent name={wait.agent} /> waits
                <Age since={wait.since} className="text-2xs" />
              </span>
            ))}
          </li>
        );
      })}
      {held.length > SHOWN && <li className="px-4 text-xs text-faint">and {held.length - SHOWN} more</li>}
    </ul>
  );
}
