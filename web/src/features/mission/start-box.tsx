/** Where work begins: what should be done, in which repository, by whom. */
import { useNavigate } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { ChevronDown } from 'lucide-react';
import { useId, useState } from 'react';
import { explain, useCoordinate, useCreateSession, usePrompt } from '@/api/mutations';
import { agentsQuery, reposQuery } from '@/api/queries';
import type { Agent, Repo } from '@/api/nouns';
import { recall, remember } from '@/app/remember';
import { Button } from '@/components/button';
import { CommandLine } from '@/components/empty';
import { Keys } from '@/components/keys';
import { say } from '@/components/toast';
import { AgentChip } from '@/features/agent/chip';
import { keepDraft, readDraft } from '@/features/message/drafts';
import { WorktreesBox } from '@/features/plan/worktrees-box';

type Mode = 'coordinate' | 'prompt';

const MODES: { mode: Mode; word: string; meaning: string }[] = [
  {
    mode: 'coordinate',
    word: 'Coordinate',
    meaning: 'Every agent plans, the plans are merged, the work is shared out.',
  },
  { mode: 'prompt', word: 'Prompt', meaning: 'Every chosen agent gets the same message.' },
];

const TITLE_MAX = 72;

/** The first line of the wish, short enough for a list. */
export function titleOf(wish: string): string {
  const line = wish.trim().split('\n', 1)[0] ?? '';
  return line.length > TITLE_MAX ? `${line.slice(0, TITLE_MAX - 1).trimEnd()}…` : line;
}

function useStart(repo: Repo | undefined, agents: string[], mode: Mode, worktrees: boolean) {
  const navigate = useNavigate();
  const create = useCreateSession();
  const coordinate = useCoordinate();
  const prompt = usePrompt();
  const [busy, setBusy] = useState(false);

  async function start(text: string, done: () => void): Promise<void> {
    setBusy(true);
    try {
      const session = await create.mutateAsync({
        title: titleOf(text),
        agents,
        ...(repo ? { repo: repo.id } : {}),
      });
      const wish = { session: session.id, text, targets: agents, worktrees, alone: true };
      try {
        await (mode === 'coordinate' ? coordinate : prompt).mutateAsync(wish);
        done();
      } catch (fault) {
        // The session is there; the words wait in its composer.
        keepDraft(session.id, text);
        say(explain(fault), 'problem');
      }
      void navigate({ to: '/s/$id', params: { id: session.short_id } });
    } catch (fault) {
      say(explain(fault), 'problem');
    } finally {
      setBusy(false);
    }
  }

  return { start, busy };
}

function RepoSelect({
  repos,
  value,
  onChange,
}: {
  repos: Repo[];
  value: string;
  onChange(id: string): void;
}) {
  const id = useId();
  return (
    <span className="relative inline-flex items-center">
      <label htmlFor={id} className="sr-only">
        Repository
      </label>
      <select
        id={id}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="h-7 max-w-52 appearance-none truncate rounded-md border border-edge/60 bg-raised pr-6 pl-2 font-mono text-xs hover:bg-hover"
      >
        {repos.map((repo) => (
          <option key={repo.id} value={repo.id}>
            {repo.slug}
          </option>
        ))}
      </select>
      <ChevronDown size={12} aria-hidden className="pointer-events-none absolute right-2 text-muted" />
    </span>
  );
}

function ModeSwitch({ mode, onChange }: { mode: Mode; onChange(mode: Mode): void }) {
  return (
    <span
      role="group"
      aria-label="How"
      className="inline-flex h-7 rounded-md border border-edge/60 bg-raised p-0.5"
    >
      {MODES.map((one) => (
        <button
          key={one.mode}
          type="button"
          title={one.meaning}
          aria-pressed={mode === one.mode}
          onClick={() => onChange(one.mode)}
          className={`rounded-sm px-2 text-xs ${mode === one.mode ? 'bg-accent-wash font-medium text-accent' : 'text-muted hover:text-ink'}`}
        >
          {one.word}
        </button>
      ))}
    </span>
  );
}

/** Which of the configured agents take part; at first those that have a key. */
function useChosen(agents: Agent[]) {
  const [without, setWithout] = useState<string[]>(
    () => recall('start.without')?.split(',').filter(Boolean) ?? [],
  );
  const able = agents.filter((one) => one.key_present).map((one) => one.name);
  const chosen = able.filter((name) => !without.includes(name));
  return {
    chosen,
    toggle(name: string) {
      const next = without.includes(name) ? without.filter((one) => one !== name) : [...without, name];
      if (able.every((one) => next.includes(one))) return;
      setWithout(next);
      remember('start.without', next.join(','));
    },
  };
}

export function StartBox() {
  const agents = useQuery(agentsQuery).data ?? [];
  const repos = useQuery(reposQuery);
  const [text, setText] = useState(() => readDraft('start'));
  const [mode, setMode] = useState<Mode>(() => (recall('start.mode') === 'prompt' ? 'prompt' : 'coordinate'));
  const [repoId, setRepoId] = useState(() => recall('start.repo') ?? '');
  const { chosen, toggle } = useChosen(agents);
  const repo = repos.data?.find((one) => one.id === repoId) ?? repos.data?.[0];
  const [worktrees, setWorktrees] = useState(() => recall('start.worktrees') === 'yes');
  const { start, busy } = useStart(repo, chosen, mode, worktrees);
  const ready = text.trim() !== '' && chosen.length > 0 && !busy && (mode === 'prompt' || repo !== undefined);
  const meaning = MODES.find((one) => one.mode === mode)?.meaning;

  function write(next: string): void {
    setText(next);
    keepDraft('start', next);
  }

  return (
    <form
      aria-label="Start a session"
      className="rounded-lg border border-edge/60 bg-raised focus-within:border-accent"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void start(text.trim(), () => write(''));
      }}
    >
      <textarea
        data-focus="start"
        aria-label="What should be done?"
        placeholder="What should be done?"
        rows={2}
        value={text}
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.metaKey || event.ctrlKey))
            event.currentTarget.form?.requestSubmit();
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
        className="block field-sizing-content max-h-72 min-h-14 w-full resize-none bg-transparent px-3 pt-2.5 pb-1 outline-none"
      />
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1.5 p-2">
        {repos.data && repos.data.length > 0 && (
          <RepoSelect
            repos={repos.data}
            value={repo?.id ?? ''}
            onChange={(id) => {
              setRepoId(id);
              remember('start.repo', id);
            }}
          />
        )}
        <span role="group" aria-label="Agents" className="flex flex-wrap gap-1">
          {agents.map((agent) => (
            <AgentChip
              key={agent.name}
              name={agent.name}
              hue={agent.vendor}
              on={chosen.includes(agent.name)}
              disabled={!agent.key_present}
              title={
                agent.key_present
                  ? agent.model
                  : `Set ${agent.api_key_env} and run \`coditect daemon restart\``
              }
              onToggle={() => toggle(agent.name)}
            />
          ))}
        </span>
        <span className="ml-auto flex flex-wrap items-center justify-end gap-2">
          {mode === 'coordinate' && (
            <WorktreesBox
              on={worktrees}
              onChange={(on) => {
                setWorktrees(on);
                remember('start.worktrees', on ? 'yes' : null);
              }}
            />
          )}
          <ModeSwitch
            mode={mode}
            onChange={(next) => {
              setMode(next);
              remember('start.mode', next);
            }}
          />
          <Button type="submit" tone="primary" disabled={!ready} title={meaning}>
            {busy ? 'Starting…' : 'Start'}
            <Keys binding="$mod+Enter" inverse className="max-sm:hidden" />
          </Button>
        </span>
      </div>
      {repos.data?.length === 0 && (
        <p className="flex flex-wrap items-center gap-2 border-t border-line px-3 py-2 text-muted">
          No repository is registered yet. <CommandLine>coditect init</CommandLine> in one registers it.
        </p>
      )}
    </form>
  );
}
