/** Mission control: what needs you, what is running, and a box to start more. */
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { Circle, CircleCheck } from 'lucide-react';
import { useEffect } from 'react';
import { explain } from '@/api/mutations';
import { agentsQuery, locksQuery, openTasksQuery, permissionsQuery, sessionsQuery } from '@/api/queries';
import type { Permission, Session, Task } from '@/api/nouns';
import { Centre } from '@/app/centre';
import { CommandLine, Empty, Skeleton, Trouble } from '@/components/empty';
import { cost } from '@/components/figures';
import { Section } from '@/components/section';
import { Age } from '@/components/time';
import { AgentName, Glyph } from '@/features/agent/identity';
import { ActivityFeed } from '@/features/event/feed';
import { LockList } from '@/features/lock/list';
import { PermissionBox } from '@/features/permission/box';
import { grouped } from '@/features/session/groups';
import { AnswerBox } from '@/features/task/answer';
import { Running } from './running';
import { StartBox } from './start-box';

const RECENT = 8;

function SessionLink({ session }: { session: Session | undefined }) {
  return (
    session && (
      <Link data-row to="/s/$id" params={{ id: session.short_id }} className="block truncate hover:underline">
        {session.title}
      </Link>
    )
  );
}

function Inbox({
  needing,
  questions,
  permissions,
}: {
  needing: Session[];
  questions: Task[];
  permissions: Permission[];
}) {
  const failed = needing.filter((session) => session.state === 'failed');
  return (
    <ul className="flex flex-col gap-2 px-4 pb-2">
      {permissions.map((permission) => {
        const session = needing.find((one) => one.id === permission.session);
        const seat = session?.participants.find((one) => one.id === permission.participant);
        return (
          <li key={permission.id}>
            <PermissionBox
              permission={permission}
              agent={seat?.agent ?? 'agent'}
              context={<SessionLink session={session} />}
            />
          </li>
        );
      })}
      {questions.map((task) => {
        const session = needing.find((one) => one.id === task.session);
        return (
          <li key={task.id}>
            <AnswerBox task={task} context={<SessionLink session={session} />} />
          </li>
        );
      })}
      {failed.map((session) => (
        <li key={session.id}>
          <Link
            data-row
            to="/s/$id"
            params={{ id: session.short_id }}
            className="flex items-center gap-3 rounded-lg border border-danger/35 bg-danger-wash px-3 py-2"
          >
            <span className="text-xs font-medium text-danger">failed</span>
            <span className="min-w-0 flex-1 truncate">{session.title}</span>
            <Age since={session.updated_at} className="text-xs text-muted" />
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** Whether it is done or never began. */
function StateGlyph({ session }: { session: Session }) {
  return session.state === 'completed' ? (
    <CircleCheck size={13} aria-label="done" className="shrink-0 text-good" />
  ) : (
    <Circle size={13} aria-label="idle" className="shrink-0 text-faint" />
  );
}

function Recent({ sessions }: { sessions: Session[] }) {
  return (
    <ul className="px-2">
      {sessions.map((session) => (
        <li key={session.id}>
          <Link
            data-row
            to="/s/$id"
            params={{ id: session.short_id }}
            className="focus-inset flex h-6 items-center gap-2.5 rounded-md px-2 hover:bg-hover"
          >
            <StateGlyph session={session} />
            <span className="min-w-0 flex-1 truncate">{session.title}</span>
            <span className="flex gap-0.5">
              {session.participants.map((one) => (
                <Glyph key={one.id} hue={one.vendor} size={12} label={one.agent} />
              ))}
            </span>
            <span className="w-14 text-right text-xs text-muted">{cost(session.usage)}</span>
            <Age since={session.updated_at} className="w-8 text-right text-xs text-faint" />
          </Link>
        </li>
      ))}
    </ul>
  );
}

function ConfiguredAgents() {
  const agents = useQuery(agentsQuery).data;
  return (
    <ul>
      {agents?.map((agent) => (
        <li key={agent.name} className="flex h-6 items-center justify-between gap-2 px-4">
          <AgentName name={agent.name} hue={agent.vendor} />
          {agent.key_present ? (
            <span className="truncate text-2xs text-faint">{agent.model}</span>
          ) : (
            <span className="truncate text-2xs text-warn" title={`Set ${agent.api_key_env}`}>
              no key: {agent.api_key_env}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

function Inspector() {
  const locks = useQuery(locksQuery).data;
  return (
    <>
      <Section title="Agents">
        <ConfiguredAgents />
      </Section>
      <Section title="Locks" count={locks?.items.length} className="mt-2">
        <LockList locks={locks} />
      </Section>
      <Section title="Activity" className="mt-2">
        <ActivityFeed />
      </Section>
    </>
  );
}

export function Mission() {
  const sessions = useQuery(sessionsQuery);
  const open = useQuery(openTasksQuery);
  const permissions = useQuery(permissionsQuery).data ?? [];
  const groups = sessions.data ? grouped(sessions.data) : null;
  const questions = open.data?.filter((task) => task.state === 'input_required') ?? [];
  const needs = groups?.needs.length ?? 0;
  const running = groups ? [...groups.needs.filter((one) => one.state === 'running'), ...groups.working] : [];
  const recent = groups
    ? [...groups.idle, ...groups.done]
        .toSorted((a, b) => b.updated_at.localeCompare(a.updated_at))
        .slice(0, RECENT)
    : [];

  useEffect(() => {
    document.title = needs > 0 ? `(${needs}) Coditect` : 'Coditect';
  }, [needs]);

  return (
    <Centre
      inspectorName="Overview"
      header={<h1 className="text-base font-semibold">Mission control</h1>}
      inspector={<Inspector />}
    >
      <div className="min-h-0 flex-1 overflow-y-auto pb-8">
        <div className="mx-auto flex max-w-240 flex-col gap-4">
          <div className="px-4 pt-4">
            <StartBox />
          </div>
          {sessions.isPending && <Skeleton rows={6} />}
          {sessions.isError && !groups && (
            <Trouble text={explain(sessions.error)} retry={() => void sessions.refetch()} />
          )}
          {groups && needs > 0 && (
            <Section title="Needs you" count={needs}>
              <Inbox needing={groups.needs} questions={questions} permissions={permissions} />
            </Section>
          )}
          {groups && running.length > 0 && (
            <Section title="Running" count={running.length}>
              <Running sessions={running} />
            </Section>
          )}
          {recent.length > 0 && (
            <Section title="Recent">
              <Recent sessions={recent} />
            </Section>
          )}
          {groups && needs === 0 && running.length === 0 && recent.length === 0 && (
            <Empty title="Nothing has been started yet">
              <p>Write above what should be done, or start from a terminal inside a repository:</p>
              <CommandLine>coditect run --repo . --agents claude,gemini "make the tests pass"</CommandLine>
              <p>To see four scripted agents at work on a sample:</p>
              <CommandLine>coditect demo</CommandLine>
            </Empty>
          )}
        </div>
      </div>
    </Centre>
  );
}
