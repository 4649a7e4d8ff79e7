/** Bottom line: is the daemon there, who needs you, what is held, what it cost. True at every moment. */
import { Link } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';
import { CircleHelp, Keyboard, Lock, Moon, Sun } from 'lucide-react';
import { useConnection, type Phase } from '@/api/connection';
import { locksQuery, sessionsQuery, statusQuery } from '@/api/queries';
import { IconButton } from '@/components/button';
import { cost, many } from '@/components/figures';
import { Age } from '@/components/time';
import { Tip } from '@/components/tip';
import { grouped } from '@/features/session/groups';
import { keysOf } from './commands';
import { useDeeds } from './deeds-context';
import { useView } from './view';

const PHASES: Record<Phase, { word: string; dot: string }> = {
  connecting: { word: 'connecting', dot: 'bg-warn' },
  live: { word: 'connected', dot: 'bg-good' },
  retrying: { word: 'daemon not reachable, retrying', dot: 'bg-danger' },
  signed_out: { word: 'signed out', dot: 'bg-danger' },
};

function ConnectionWord() {
  const { phase, since, version } = useConnection();
  const { word, dot } = PHASES[phase];
  return (
    <Tip
      side="top"
      text={phase === 'live' ? `Daemon ${version ?? ''}` : 'Run `coditect up` if it stays away'}
    >
      <span
        role="status"
        tabIndex={-1}
        className="flex min-w-0 shrink-0 items-center gap-1.5 max-sm:max-w-40"
      >
        <span aria-hidden className={`size-2 shrink-0 rounded-full ${dot}`} />
        <span className="truncate">{word}</span>
        {phase === 'retrying' && <Age since={new Date(since).toISOString()} />}
      </span>
    </Tip>
  );
}

const item =
  'flex h-full items-center gap-1.5 rounded-sm px-1.5 whitespace-nowrap focus-inset hover:bg-hover hover:text-ink';

export function StatusBar() {
  const deeds = useDeeds();
  const locks = useQuery(locksQuery).data;
  const sessions = useQuery(sessionsQuery).data;
  const status = useQuery(statusQuery).data;
  const theme = useView((view) => view.theme);
  const needs = sessions ? grouped(sessions).needs.length : 0;
  const waits = locks?.waits.length ?? 0;
  const held = locks?.items.length ?? 0;

  return (
    <footer className="flex h-6 shrink-0 items-center gap-1 border-t border-line bg-sunken px-2.5 text-xs text-muted">
      <ConnectionWord />
      <span className="flex-1" />
      {needs > 0 && (
        <Tip side="top" text="Open the next one" keys={keysOf('go.needs')}>
          <button
            type="button"
            onClick={() => deeds.nextNeedingYou()}
            className={`${item} font-medium text-accent`}
          >
            <CircleHelp size={12} aria-hidden />
            {needs === 1 ? '1 needs you' : `${needs} need you`}
          </button>
        </Tip>
      )}
      <Link to="/coord" className={item}>
        <Lock size={11} aria-hidden />
        {many(held, 'lock')}
        {waits > 0 && <span className="text-warn max-[380px]:hidden">· {waits} waiting</span>}
      </Link>
      {status && (
        <Tip side="top" text="Cost of all sessions">
          <span className="px-1.5 max-sm:hidden">{cost(status.usage)}</span>
        </Tip>
      )}
      <IconButton
        side="top"
        label="Switch between light and dark"
        keys={keysOf('theme.toggle')}
        className="size-6!"
        onClick={() => deeds.toggleTheme()}
      >
        {theme === 'dark' ? <Moon size={12} aria-hidden /> : <Sun size={12} aria-hidden />}
      </IconButton>
      <IconButton
        side="top"
        label="Keyboard shortcuts"
        keys={keysOf('help.keys')}
        className="size-6! max-sm:hidden"
        onClick={() => deeds.view.show('shortcuts')}
      >
        <Keyboard size={13} aria-hidden />
      </IconButton>
    </footer>
  );
}
