/** A session: timeline, transcript or plan or changes, composer, and its agents beside it. */
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Tabs } from 'radix-ui';
import { useCallback, useEffect, useMemo } from 'react';
import { explain } from '@/api/mutations';
import { useLive } from '@/api/live';
import {
  checkpointsQuery,
  liveQuery,
  locksQuery,
  permissionsQuery,
  plansQuery,
  sessionQuery,
  tasksQuery,
} from '@/api/queries';
import type { Checkpoint, Plan, Session, Task } from '@/api/nouns';
import { Centre } from '@/app/centre';
import type { SessionTab } from '@/app/deeds';
import { remember } from '@/app/remember';
import { Skeleton, Trouble } from '@/components/empty';
import { cost, short } from '@/components/figures';
import { Section } from '@/components/section';
import { AgentPanel } from '@/features/agent/panel';
import { automatic } from '@/features/checkpoint/kind';
import { ChangesView } from '@/features/change/changes';
import { ActivityFeed } from '@/features/event/feed';
import { LockList } from '@/features/lock/list';
import { Composer, writeInComposer } from '@/features/message/composer';
import { Transcript } from '@/features/message/transcript';
import { PermissionBox } from '@/features/permission/box';
import { PlanView } from '@/features/plan/plan';
import { AnswerBox } from '@/features/task/answer';
import { useAttached } from './clients';
import { SessionHeader } from './header';
import { TimelineStrip } from './timeline-strip';

const NONE: never[] = [];

/** Text that is being written comes by deltas; what was written before this page looked is asked for once. */
function useLiveText(session: string): void {
  const { data: soFar, dataUpdatedAt } = useQuery(liveQuery(session));
  useEffect(() => {
    useLive.getState().watch(session);
    return () => useLive.getState().watch(null);
  }, [session]);
  useEffect(() => {
    // The same answer again is an answer too: it closes a gap.
    if (soFar && dataUpdatedAt > 0) useLive.getState().seed(session, soFar.items, soFar.asked);
  }, [session, soFar, dataUpdatedAt]);
}

function Spent({ session }: { session: Session }) {
  const { usage } = session;
  return (
    <dl className="grid grid-cols-2 gap-x-4 gap-y-0.5 px-4 text-xs">
      {[
        ['Cost', cost(usage)],
        ['Input', `${short(usage.input_tokens)} tokens`],
        ['Output', `${short(usage.output_tokens)} tokens`],
        ['From cache', `${short(usage.cache_read_tokens)} tokens`],
      ].map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-faint">{name}</dt>
          <dd className="text-right">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Inspector({ session }: { session: Session }) {
  const locks = useQuery(locksQuery).data;
  const held = locks?.items.filter((lock) => lock.session === session.id).length;
  return (
    <>
      <Section title="Agents" count={session.participants.length}>
        <AgentPanel participants={session.participants} foreign={session.origin !== null} />
      </Section>
      <Section title="Locks" count={held} className="mt-2">
        <LockList locks={locks} session={session.id} />
      </Section>
      <Section title="Spent" className="mt-2">
        <Spent session={session} />
      </Section>
      <Section title="Activity" className="mt-2">
        <ActivityFeed session={session.id} />
      </Section>
    </>
  );
}

const TABS: { tab: SessionTab; word: string }[] = [
  { tab: 'transcript', word: 'Transcript' },
  { tab: 'plan', word: 'Plan' },
  { tab: 'changes', word: 'Changes' },
];

function countOf(tab: SessionTab, plans: Plan[], tasks: Task[]): number {
  if (tab === 'plan') return plans.length;
  if (tab === 'changes')
    return new Set(tasks.flatMap((task) => task.changes.map((change) => change.path))).size;
  return 0;
}

/** What waits for an answer, always in sight: the oldest question, and how many come after it. */
function Questions({ tasks }: { tasks: Task[] }) {
  const open = tasks.filter((task) => task.state === 'input_required' && task.question);
  const first = open[0];
  if (!first) return null;
  return (
    <section aria-label="Questions" className="shrink-0 border-t border-line px-4 py-2">
      <AnswerBox
        key={`${first.id} ${first.question?.turn}`}
        task={first}
        context={open.length > 1 ? `1 of ${open.length} questions` : first.title}
      />
    </section>
  );
}

/** What has to be allowed, as the questions are: the oldest, and how many come after it. */
function Permissions({ session }: { session: Session }) {
  const open = (useQuery(permissionsQuery).data ?? NONE).filter((one) => one.session === session.id);
  const first = open[0];
  if (!first) return null;
  const seat = session.participants.find((one) => one.id === first.participant);
  return (
    <section
      aria-label="Permissions"
      className="max-h-[60%] shrink-0 overflow-y-auto border-t border-line px-4 py-2"
    >
      <PermissionBox
        key={first.id}
        permission={first}
        agent={seat?.agent ?? 'agent'}
        context={open.length > 1 ? `1 of ${open.length}` : undefined}
      />
    </section>
  );
}

function Body({ session, checkpoints }: { session: Session; checkpoints: Checkpoint[] }) {
  const navigate = useNavigate();
  const { tab = 'transcript' } = useSearch({ from: '/s/$id' });
  const tasks = useQuery(tasksQuery(session.id));
  const plans = useQuery(plansQuery(session.id)).data ?? NONE;
  const list = tasks.data ?? NONE;
  const told = useMemo(() => checkpoints.filter((one) => !automatic(one)), [checkpoints]);

  const open = useCallback(
    (next: string) =>
      void navigate({
        to: '/s/$id',
        params: { id: session.short_id },
        search: next === 'plan' || next === 'changes' ? { tab: next } : {},
        replace: true,
      }),
    [navigate, session.short_id],
  );
  const openPlan = useCallback(() => open('plan'), [open]);
  const again = useCallback((task: Task) => writeInComposer(task.prompt), []);

  return (
    <Tabs.Root value={tab} onValueChange={open} className="flex min-h-0 flex-1 flex-col">
      <Tabs.List
        aria-label="Views of the session"
        className="flex h-8 shrink-0 items-end gap-4 border-b border-line px-4"
      >
        {TABS.map((one) => {
          const count = countOf(one.tab, plans, list);
          return (
            <Tabs.Trigger
              key={one.tab}
              value={one.tab}
              className="focus-inset -mb-px flex h-7.5 items-center gap-1.5 border-b-2 border-transparent px-0.5 text-muted hover:text-ink data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-ink"
            >
              {one.word}
              {count > 0 && <span className="text-2xs font-normal text-faint">{count}</span>}
            </Tabs.Trigger>
          );
        })}
      </Tabs.List>
      <TimelineStrip session={session} tasks={list} checkpoints={told} />
      <Tabs.Content value="transcript" tabIndex={-1} className="flex min-h-0 flex-1 flex-col outline-none">
        <Transcript
          key={session.id}
          session={session}
          tasks={list}
          plans={plans}
          checkpoints={told}
          onOpenPlan={openPlan}
          onAgain={again}
        />
      </Tabs.Content>
      <Tabs.Content value="plan" className="focus-inset min-h-0 flex-1 overflow-y-auto">
        <PlanView plans={plans} tasks={list} />
      </Tabs.Content>
      <Tabs.Content value="changes" className="focus-inset min-h-0 flex-1 overflow-y-auto">
        <ChangesView tasks={list} participants={session.participants} checkpoints={checkpoints} />
      </Tabs.Content>
      <Permissions session={session} />
      <Questions tasks={list} />
      <Composer key={session.id} session={session} />
    </Tabs.Root>
  );
}

function Loaded({ session }: { session: Session }) {
  useLiveText(session.id);
  useAttached(session.id);
  const checkpoints = useQuery(checkpointsQuery(session.id)).data ?? NONE;
  useEffect(() => {
    remember('lastSession', session.id);
    document.title = `${session.needs_input > 0 ? `(${session.needs_input}) ` : ''}${session.title} · Coditect`;
  }, [session.id, session.needs_input, session.title]);
  return (
    <Centre
      inspectorName="Agents and locks"
      header={<SessionHeader session={session} />}
      inspector={<Inspector session={session} />}
    >
      <Body session={session} checkpoints={checkpoints} />
    </Centre>
  );
}

export function SessionScreen() {
  const { id } = useParams({ from: '/s/$id' });
  const session = useQuery(sessionQuery(id));
  if (session.data) return <Loaded session={session.data} />;
  return (
    <Centre inspectorName="Agents and locks" header={<h1 className="sr-only">Session</h1>} inspector={null}>
      {session.isPending && <Skeleton rows={8} />}
      {session.isError && (
        <>
          <Trouble text={explain(session.error)} retry={() => void session.refetch()} />
          <p className="px-4">
            <Link to="/" className="text-accent underline underline-offset-2">
              Mission control
            </Link>
          </p>
        </>
      )}
    </Centre>
  );
}
