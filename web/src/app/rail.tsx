/** Left rail: where you can go, and every session under the heading that says whether it needs you. */
import { Link, useParams } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { LayoutGrid, LayoutList, Lock, Plus, Search } from 'lucide-react';
import { locksQuery, permissionsQuery, sessionsQuery } from '@/api/queries';
import type { Session } from '@/api/nouns';
import { explain } from '@/api/mutations';
import { Button } from '@/components/button';
import { Skeleton, Trouble } from '@/components/empty';
import { Keys } from '@/components/keys';
import { Age } from '@/components/time';
import { Tip } from '@/components/tip';
import { Glyph } from '@/features/agent/identity';
import { isLive } from '@/features/agent/status';
import { GROUP_TITLES, grouped, type Group } from '@/features/session/groups';
import { OriginMark } from '@/features/session/origin';
import { keysOf } from './commands';
import { useDeeds } from './deeds-context';
import { createSession } from './deeds';

const ORDER: Group[] = ['needs', 'working', 'idle', 'done'];

function Mark() {
  return <img src="/mark.svg" alt="" width={16} height={16} />;
}

function SessionRow({ session, group, current }: { session: Session; group: Group; current: boolean }) {
  const live = session.participants.filter((one) => isLive(one.status));
  const shown = live.length > 0 ? live : session.participants;
  return (
    <li>
      <Link
        to="/s/$id"
        params={{ id: session.short_id }}
        aria-current={current ? 'page' : undefined}
        className={`focus-inset flex h-6 items-center gap-2 rounded-md px-2 ${
          current ? 'bg-accent-wash font-medium text-ink' : 'text-ink hover:bg-hover'
        }`}
      >
        <span className="min-w-0 flex-1 truncate">{session.title}</span>
        <OriginMark session={session} />
        {session.state === 'failed' && <span className="text-2xs text-danger">failed</span>}
        {session.needs_input > 0 && (
          <span className="rounded-full bg-accent px-1.5 text-2xs font-semibold text-accent-ink">
            {session.needs_input}
            <span className="sr-only"> waiting for you</span>
          </span>
        )}
        {group === 'needs' ? null : group === 'idle' || group === 'done' ? (
          <Age since={session.updated_at} className="text-2xs text-faint" />
        ) : (
          <span className="flex items-center gap-0.5">
            {shown.slice(0, 4).map((one) => (
              <Glyph key={one.id} hue={one.vendor} size={12} label={one.agent} />
            ))}
          </span>
        )}
      </Link>
    </li>
  );
}

function NavRow({
  to,
  icon: Icon,
  children,
  badge,
  asks = 0,
}: {
  to: '/' | '/coord' | '/board';
  icon: typeof Lock;
  children: string;
  badge?: number | undefined;
  /** How many permissions wait for a decision. */
  asks?: number;
}) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: true }}
      activeProps={{ className: 'bg-accent-wash font-medium text-ink', 'aria-current': 'page' }}
      inactiveProps={{ className: 'text-muted hover:bg-hover hover:text-ink' }}
      className="focus-inset flex h-6 items-center gap-2 rounded-md px-2"
    >
      <Icon size={14} aria-hidden />
      <span className="flex-1">{children}</span>
      {asks > 0 && (
        <span className="rounded-full bg-accent px-1.5 text-2xs font-semibold text-accent-ink">
          {asks}
          <span className="sr-only"> {asks === 1 ? 'permission' : 'permissions'} to decide</span>
        </span>
      )}
      {badge ? <span className="text-2xs text-faint">{badge}</span> : null}
    </Link>
  );
}

export function Rail() {
  const deeds = useDeeds();
  const sessions = useQuery(sessionsQuery);
  const locks = useQuery(locksQuery);
  const waiting = useQuery(permissionsQuery).data?.length ?? 0;
  const { id } = useParams({ strict: false });
  const groups = sessions.data ? grouped(sessions.data) : null;

  return (
    <div className="flex h-full min-h-0 flex-col bg-sunken">
      <div className="flex h-10 items-center gap-2 px-4">
        <Mark />
        <span className="flex-1 font-semibold tracking-tight">Coditect</span>
        <Tip text="New session" keys={keysOf('session.new')}>
          <Button
            size="sm"
            aria-label="New session"
            className="size-6 px-0!"
            onClick={() => createSession(deeds)}
          >
            <Plus size={14} aria-hidden />
          </Button>
        </Tip>
      </div>
      <div className="px-2 pb-2">
        <button
          type="button"
          onClick={() => deeds.view.show('palette')}
          className="flex h-7 w-full items-center gap-2 rounded-md border border-line bg-raised px-2 text-faint hover:border-edge/60"
        >
          <Search size={13} aria-hidden />
          <span className="flex-1 text-left">Search or run</span>
          <Keys binding="$mod+KeyK" />
        </button>
      </div>
      <nav aria-label="Screens" className="flex flex-col gap-px px-2">
        <NavRow to="/" icon={LayoutList} asks={waiting}>
          Mission control
        </NavRow>
        <NavRow to="/coord" icon={Lock} badge={locks.data?.items.length}>
          Locks and notices
        </NavRow>
        <NavRow to="/board" icon={LayoutGrid}>
          Boards
        </NavRow>
      </nav>
      <nav aria-label="Sessions" className="mt-2 min-h-0 flex-1 overflow-y-auto px-2 pb-4">
        {sessions.isPending && <Skeleton rows={5} />}
        {sessions.isError && !groups && (
          <Trouble text={explain(sessions.error)} retry={() => void sessions.refetch()} />
        )}
        {groups &&
          ORDER.filter((group) => groups[group].length > 0).map((group) => (
            <section key={group} className="mt-2">
              <h2
                className={`flex h-6 items-center gap-2 px-2 text-xs font-medium ${
                  group === 'needs' ? 'text-accent' : 'text-muted'
                }`}
              >
                {GROUP_TITLES[group]}
                <span className="text-2xs font-normal text-faint">{groups[group].length}</span>
              </h2>
              <ul className="flex flex-col gap-px">
                {groups[group].map((session) => (
                  <SessionRow
                    key={session.id}
                    session={session}
                    group={group}
                    current={id === session.short_id || id === session.id}
                  />
                ))}
              </ul>
            </section>
          ))}
        {groups && ORDER.every((group) => groups[group].length === 0) && (
          <p className="px-2 pt-2 text-xs text-faint">No sessions yet. Press C to start one.</p>
        )}
      </nav>
    </div>
  );
}
