/** Every held lock: path, mode, holder, token, age, what is left of the lease, and who waits. */
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { Eye, Lock as LockIcon, Users, type LucideIcon } from 'lucide-react';
import { useBreakLock } from '@/api/mutations';
import { sessionsQuery } from '@/api/queries';
import type { Lock, LockMode, Locks } from '@/api/nouns';
import { ask } from '@/app/confirm';
import { NARROW } from '@/app/deeds';
import { useMedia } from '@/app/use-media';
import { Button } from '@/components/button';
import { CommandLine, Empty } from '@/components/empty';
import { Age, elapsed, useNow } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { waitersOf } from './waiters';

const MODES: Record<LockMode, { word: string; icon: LucideIcon }> = {
  exclusive: { word: 'exclusive', icon: LockIcon },
  shared: { word: 'shared', icon: Users },
  advisory: { word: 'advisory', icon: Eye },
};

/** A fencing token is (epoch, counter); the counter alone is what people compare. */
export function tokenWord(token: number): string {
  const epoch = Math.floor(token / 2 ** 40);
  const counter = token % 2 ** 40;
  return epoch > 0 ? `${epoch}·${counter}` : String(counter);
}

function Lease({ lock }: { lock: Lock }) {
  const now = useNow();
  const left = Date.parse(lock.expires_at) - now;
  const whole = Math.max(1, Date.parse(lock.expires_at) - Date.parse(lock.acquired_at));
  const share = Math.max(0, Math.min(1, left / whole));
  return (
    <span className={`inline-flex items-baseline gap-2 ${left < 10_000 ? 'text-warn' : 'text-muted'}`}>
      <span aria-hidden className="h-1 w-10 self-center overflow-hidden rounded-full bg-line">
        <span className="block h-full rounded-full bg-current" style={{ width: `${share * 100}%` }} />
      </span>
      <span className="w-9 text-right">{left > 0 ? elapsed(left) : 'ended'}</span>
    </span>
  );
}

function useBreak(): (lock: Lock) => Promise<void> {
  const order = useBreakLock();
  return async (lock) => {
    const sure = await ask({
      title: `Break the lock on ${lock.path}?`,
      text: `${lock.agent} loses it at once and its next write under token ${tokenWord(lock.token)} is refused.`,
      deed: 'Break lock',
    });
    if (sure) order.mutate(lock.token);
  };
}

const head = 'py-1 pr-4 font-normal';
const cell = 'py-1.5 pr-4 align-baseline';

function LockRow({ lock, locks, breakIt }: { lock: Lock; locks: Locks; breakIt(lock: Lock): Promise<void> }) {
  const { word, icon: Icon } = MODES[lock.mode] ?? MODES.advisory;
  const session = useQuery(sessionsQuery).data?.find((one) => one.id === lock.session);
  const waiters = waitersOf(lock, locks.waits);
  return (
    <tr data-row tabIndex={-1} className="border-t border-line first:border-t-0 hover:bg-hover">
      <td className={`${cell} w-full max-w-0`}>
        <span className="block truncate font-mono text-xs" title={`${lock.worktree}/${lock.path}`}>
          {lock.path}
        </span>
      </td>
      <td className={cell}>
        <span className="inline-flex items-baseline gap-1.5 text-xs text-muted">
          <Icon size={12} aria-hidden className="self-center" />
          {word}
        </span>
      </td>
      <td className={cell}>
        <span className="flex items-baseline gap-2">
          <NamedAgent name={lock.agent} strong />
          {session && (
            <Link
              to="/s/$id"
              params={{ id: session.short_id }}
              className="max-w-40 truncate text-xs text-muted underline-offset-2 hover:underline"
            >
              {session.title}
            </Link>
          )}
        </span>
      </td>
      <td className={`${cell} text-right font-mono text-xs text-muted`}>{tokenWord(lock.token)}</td>
      <td className={`${cell} text-right text-xs text-muted`}>
        <Age since={lock.acquired_at} />
      </td>
      <td className={`${cell} text-xs`}>
        <Lease lock={lock} />
      </td>
      <td className={`${cell} text-xs whitespace-nowrap`}>
        {waiters.length === 0 ? (
          <span className="text-faint">none</span>
        ) : (
          <span className="flex flex-col gap-0.5">
            {waiters.map((wait) => (
              <span key={wait.waiter} className="flex items-baseline gap-1.5 text-warn">
                <NamedAgent name={wait.agent} />
                <Age since={wait.since} />
              </span>
            ))}
          </span>
        )}
      </td>
      <td className="py-1 text-right">
        <Button size="sm" aria-label={`Break the lock on ${lock.path}`} onClick={() => void breakIt(lock)}>
          Break
        </Button>
      </td>
    </tr>
  );
}

/** A lock on three lines, for a page too narrow for a table. */
function LockCard({
  lock,
  locks,
  breakIt,
}: {
  lock: Lock;
  locks: Locks;
  breakIt(lock: Lock): Promise<void>;
}) {
  return (
    <li className="flex items-start gap-3 border-t border-line py-2 first:border-t-0">
      <span className="flex min-w-0 flex-1 flex-col gap-0.5 text-xs">
        <span className="font-mono wrap-anywhere">{lock.path}</span>
        <span className="flex flex-wrap items-baseline gap-x-3 text-muted">
          <NamedAgent name={lock.agent} strong />
          <span>{MODES[lock.mode]?.word}</span>
          <span className="font-mono text-2xs">token {tokenWord(lock.token)}</span>
          <Lease lock={lock} />
        </span>
        {waitersOf(lock, locks.waits).map((wait) => (
          <span key={wait.waiter} className="flex items-baseline gap-1.5 text-warn">
            <NamedAgent name={wait.agent} /> waits <Age since={wait.since} />
          </span>
        ))}
      </span>
      <Button size="sm" aria-label={`Break the lock on ${lock.path}`} onClick={() => void breakIt(lock)}>
        Break
      </Button>
    </li>
  );
}

export function LockTable({ locks }: { locks: Locks }) {
  const breakIt = useBreak();
  const narrow = useMedia(NARROW);
  if (locks.items.length === 0) {
    return (
      <Empty title="No file is held">
        <p>An agent locks a file just before it edits it. From a terminal, the same locks are taken by:</p>
        <CommandLine>coditect lock acquire src/lib.rs</CommandLine>
      </Empty>
    );
  }
  if (narrow) {
    return (
      <ul className="px-4">
        {locks.items.map((lock) => (
          <LockCard key={`${lock.token} ${lock.path}`} lock={lock} locks={locks} breakIt={breakIt} />
        ))}
      </ul>
    );
  }
  return (
    <div className="overflow-x-auto px-4">
      <table className="w-full min-w-200 border-collapse text-left">
        <thead>
          <tr className="border-b border-line text-2xs text-faint">
            <th className={head}>Path</th>
            <th className={head}>Mode</th>
            <th className={head}>Holder</th>
            <th className={`${head} text-right`}>Token</th>
            <th className={`${head} text-right`}>Held</th>
            <th className={head}>Lease left</th>
            <th className={head}>Waiting</th>
            <th className="py-1 font-normal">
              <span className="sr-only">Break</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {locks.items.map((lock) => (
            <LockRow key={`${lock.token} ${lock.path}`} lock={lock} locks={locks} breakIt={breakIt} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
