/** Locks and notices: who holds what, who waits, and what the agents told each other. */
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { explain } from '@/api/mutations';
import { locksQuery, noticesQuery, registrationsQuery } from '@/api/queries';
import { Centre } from '@/app/centre';
import { Skeleton, Trouble } from '@/components/empty';
import { Section } from '@/components/section';
import { Age } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { ActivityFeed } from '@/features/event/feed';
import { NoticeFeed } from '@/features/notice/feed';
import { LockTable } from './table';

function Registrations() {
  const found = useQuery(registrationsQuery).data?.filter((one) => one.phase !== 'terminated');
  if (found?.length === 0) return <p className="px-4 text-xs text-faint">Nobody is on the bus.</p>;
  return (
    <ul>
      {found?.map((one) => (
        <li key={one.id} className="flex h-6 items-center gap-2 px-4">
          <span className="min-w-0 flex-1">
            {one.agent === 'user' ? <span>You</span> : <NamedAgent name={one.agent} />}
          </span>
          <span className="truncate text-2xs text-faint">
            {one.session
              ? 'in a session'
              : one.agent === 'user'
                ? 'the daemon'
                : `terminal · ${one.pid ?? '?'}`}
          </span>
          <span className="text-xs text-muted">{one.phase}</span>
          <Age since={one.heartbeat_at} className="w-7 text-right text-2xs text-faint" />
        </li>
      ))}
    </ul>
  );
}

export function Coordination() {
  const locks = useQuery(locksQuery);
  const notices = useQuery(noticesQuery);
  useEffect(() => {
    document.title = 'Locks and notices · Coditect';
  }, []);
  const waits = locks.data?.waits.length ?? 0;
  return (
    <Centre
      inspectorName="On the bus"
      header={
        <>
          <h1 className="text-base font-semibold whitespace-nowrap">Locks and notices</h1>
          {waits > 0 && <span className="text-xs whitespace-nowrap text-warn">{waits} waiting</span>}
        </>
      }
      inspector={
        <>
          <Section title="On the bus">
            <Registrations />
          </Section>
          <Section title="Activity" className="mt-2">
            <ActivityFeed />
          </Section>
        </>
      }
    >
      <div className="min-h-0 flex-1 overflow-y-auto pt-2 pb-8">
        <Section title="Held locks" count={locks.data?.items.length}>
          {locks.isPending && <Skeleton rows={4} />}
          {locks.isError && !locks.data && (
            <Trouble text={explain(locks.error)} retry={() => void locks.refetch()} />
          )}
          {locks.data && <LockTable locks={locks.data} />}
        </Section>
        <Section title="Notices" count={notices.data?.length} className="mt-6">
          {notices.isPending && <Skeleton rows={4} />}
          {notices.data && <NoticeFeed notices={notices.data} />}
        </Section>
      </div>
    </Centre>
  );
}
