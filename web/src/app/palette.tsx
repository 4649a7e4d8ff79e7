/** ⌘K: every command and every session, by a few letters. A combobox over a listbox; focus stays in the field. */
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import { sessionsQuery } from '@/api/queries';
import { Dialog } from '@/components/dialog';
import { Keys } from '@/components/keys';
import { GROUP_TITLES, groupOf } from '@/features/session/groups';
import { COMMANDS } from './commands';
import { useDeeds } from './deeds-context';
import { best } from './match';
import { useView } from './view';

const SHOWN = 40;

interface Choice {
  id: string;
  title: string;
  aside: string;
  keys?: string | undefined;
  run(): void;
}

function useChoices(sessionsOnly: boolean): Choice[] {
  const deeds = useDeeds();
  const navigate = useNavigate();
  const { id } = useParams({ strict: false });
  const sessions = useQuery(sessionsQuery).data;
  return useMemo(() => {
    const rooms = (sessions ?? []).map((session): Choice => ({
      id: session.id,
      title: session.title,
      aside: GROUP_TITLES[groupOf(session)],
      run: () => void navigate({ to: '/s/$id', params: { id: session.short_id } }),
    }));
    if (sessionsOnly) return rooms;
    const commands = COMMANDS.filter((one) => !one.keyOnly && (!one.inSession || id !== undefined)).map(
      (one): Choice => ({
        id: one.id,
        title: one.title,
        aside: one.category,
        keys: one.keys,
        run: () => one.run(deeds),
      }),
    );
    return [...commands, ...rooms];
  }, [deeds, id, navigate, sessions, sessionsOnly]);
}

function PaletteBody({ sessionsOnly, close }: { sessionsOnly: boolean; close(): void }) {
  const choices = useChoices(sessionsOnly);
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const found = useMemo(
    () => best(query, choices, (choice) => `${choice.title} ${choice.aside}`).slice(0, SHOWN),
    [choices, query],
  );
  const at = Math.min(active, found.length - 1);

  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  function choose(choice: Choice | undefined): void {
    if (!choice) return;
    close();
    // The dialog gives the focus back first; a command may want it elsewhere.
    requestAnimationFrame(() => choice.run());
  }

  return (
    <>
      <input
        // The palette is opened to type into it.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={found[at] ? `${id}-${at}` : undefined}
        aria-label={sessionsOnly ? 'Switch to a session' : 'Search commands and sessions'}
        placeholder={sessionsOnly ? 'Switch to a session…' : 'Type a command or a session…'}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setActive(0);
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (step !== undefined) {
            event.preventDefault();
            setActive((at + step + found.length) % Math.max(1, found.length));
          } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
            event.preventDefault();
            choose(found[at]);
          }
        }}
        className="h-11 w-full border-b border-line bg-transparent px-4 text-base outline-none"
      />
      <div ref={list} id={id} role="listbox" aria-label="Results" className="min-h-0 overflow-y-auto p-1.5">
        {found.map((choice, index) => (
          // Keys are handled by the field, which keeps the focus.
          // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
          <div
            key={choice.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onPointerMove={() => setActive(index)}
            onClick={() => choose(choice)}
            className={`flex h-8 items-center gap-3 rounded-md px-2.5 ${index === at ? 'bg-accent-wash' : ''}`}
          >
            <span className="min-w-0 flex-1 truncate">{choice.title}</span>
            <span className="text-xs text-muted">{choice.aside}</span>
            {choice.keys && <Keys binding={choice.keys} />}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="px-4 py-5 text-muted">Nothing matches “{query}”.</p>}
    </>
  );
}

export function Palette() {
  const { overlay, show } = useView();
  const open = overlay === 'palette' || overlay === 'sessions';
  return (
    <Dialog open={open} onClose={() => show('none')} label="Command palette">
      <PaletteBody sessionsOnly={overlay === 'sessions'} close={() => show('none')} />
    </Dialog>
  );
}
