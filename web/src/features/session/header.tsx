/** What session this is, where it works, and what can be done to it as a whole. */
import { useQuery } from '@tanstack/react-query';
import { Archive, CircleStop, Ellipsis, GitBranch } from 'lucide-react';
import { DropdownMenu } from 'radix-ui';
import { useState } from 'react';
import { useRenameSession } from '@/api/mutations';
import { reposQuery } from '@/api/queries';
import type { Session } from '@/api/nouns';
import { useDeeds } from '@/app/deeds-context';
import { keysOf } from '@/app/commands';
import { CopyButton } from '@/components/empty';
import { Keys } from '@/components/keys';
import { Clients } from './clients';
import { OriginChip } from './origin';

/** The title is the field that changes it: Enter keeps, Esc gives the old one back. */
function Title({ session }: { session: Session }) {
  const rename = useRenameSession();
  const [typed, setTyped] = useState<string | null>(null);
  function keep(): void {
    const title = typed?.trim();
    if (title && title !== session.title) rename.mutate({ session: session.id, title });
    setTyped(null);
  }
  const shown = typed ?? (rename.isPending ? rename.variables.title : session.title);
  return (
    <h1 className="min-w-0 shrink text-base font-semibold">
      <span className="sr-only">{session.title}</span>
      <input
        data-focus="session-title"
        aria-label="Session title"
        value={shown}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={keep}
        onKeyDown={(event) => {
          if (event.key === 'Enter') event.currentTarget.blur();
          if (event.key === 'Escape') {
            setTyped(null);
            // The blur must not keep what was just given up.
            const field = event.currentTarget;
            requestAnimationFrame(() => field.blur());
          }
        }}
        className="field-sizing-content h-7 max-w-full min-w-16 truncate rounded-sm bg-transparent px-1 hover:bg-hover"
      />
    </h1>
  );
}

/** How often the branch is looked at, in milliseconds. */
const BRANCH_LOOK_MS = 10_000;

/** Worktree and branch, always in sight: the most expensive thing to be wrong about. */
function Place({ session }: { session: Session }) {
  // Nobody tells the daemon when a branch is switched.
  const repos = useQuery({ ...reposQuery, refetchInterval: BRANCH_LOOK_MS });
  const repo = repos.data?.find((one) => one.id === session.repo);
  if (!repo) return null;
  return (
    <span className="flex shrink-0 items-center gap-1 text-xs text-muted max-md:hidden" title={repo.path}>
      <GitBranch size={12} aria-hidden />
      <span className="font-mono">
        {repo.slug}
        {repo.branch !== null && ` · ${repo.branch}`}
      </span>
      <CopyButton text={repo.path} label="Copy the repository path" />
    </span>
  );
}

const entry =
  'flex h-7 items-center gap-2 rounded-sm px-2 outline-none select-none data-highlighted:bg-hover';

function Menu() {
  const deeds = useDeeds();
  return (
    // Not modal: a modal menu would put a style element into the page.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        aria-label="Session menu"
        className="grid size-7 shrink-0 place-items-center rounded-md text-muted hover:bg-hover hover:text-ink"
      >
        <Ellipsis size={15} aria-hidden />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          className="z-40 min-w-56 rounded-lg border border-line bg-raised p-1 shadow-float"
        >
          <DropdownMenu.Item className={entry} onSelect={() => deeds.stopTasks()}>
            <CircleStop size={13} aria-hidden />
            <span className="flex-1">Stop running tasks</span>
            <Keys binding={keysOf('session.stop') ?? ''} />
          </DropdownMenu.Item>
          <DropdownMenu.Item className={entry} onSelect={() => deeds.archiveSession()}>
            <Archive size={13} aria-hidden />
            <span className="flex-1">Archive</span>
            <Keys binding={keysOf('session.archive') ?? ''} />
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function SessionHeader({ session }: { session: Session }) {
  return (
    <>
      <Title key={session.id} session={session} />
      <span className="shrink-0 font-mono text-2xs text-faint max-sm:hidden" title={session.id}>
        {session.short_id}
      </span>
      {session.archived && (
        <span className="shrink-0 rounded-sm bg-hover px-1.5 text-2xs text-muted">archived</span>
      )}
      <OriginChip session={session} />
      <span className="flex-1" />
      <Clients session={session.id} />
      <Place session={session} />
      <Menu />
    </>
  );
}
