/** Locks and notices: who holds what, who waits, and what the agents told each other. */
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { explain } from '@/api/mutations';
import { locksQuery, noticesQuery } from '@/api/queries';
import { Centre } from '@/app/centre';
import { Skeleton, Trouble } from '@/components/empty';
import { Section } from '@/components/section';
import { Presences } from '@/features/agent/presences';
import { ActivityFeed } from '@/features/event/feed';
import { NoticeFeed } from '@/features/notice/feed';
import { LockTable } from './table';

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
            <Presences />
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
