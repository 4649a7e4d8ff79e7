/**
 * Where one writes to the agents. Invariants: what was typed is never lost, not by a refusal, a reload or a
 * reconnect; Esc leaves the field and interrupts nobody.
 */
import { useEffect, useRef, useState } from 'react';
import { explain, useCoordinate, usePrompt } from '@/api/mutations';
import type { Session } from '@/api/nouns';
import { typed } from '@/api/presence';
import { Button } from '@/components/button';
import { Keys } from '@/components/keys';
import { AgentChip } from '@/features/agent/chip';
import { WorktreesBox } from '@/features/plan/worktrees-box';
import { keepDraft, readDraft, targetsOf, useTargets } from './drafts';

/** How the composer is told to take text that somebody wants to write again. */
export const WRITE = 'coditect:write';

export function writeInComposer(text: string): void {
  window.dispatchEvent(new CustomEvent(WRITE, { detail: text }));
}

function useDraft(session: string) {
  const [text, setText] = useState(() => readDraft(session));
  function write(next: string): void {
    setText(next);
    keepDraft(session, next);
  }
  return { text, write };
}

export function Composer({ session }: { session: Session }) {
  const { text, write } = useDraft(session.id);
  const [refusal, setRefusal] = useState<string | null>(null);
  const [coordinate, setCoordinate] = useState(false);
  const [worktrees, setWorktrees] = useState(false);
  const of = useTargets((state) => state.of);
  const toggle = useTargets((state) => state.toggle);
  const targets = targetsOf(of, session);
  const everybody = targets.length === session.participants.length;
  const prompt = usePrompt();
  const plan = useCoordinate();
  const field = useRef<HTMLTextAreaElement>(null);
  const busy = prompt.isPending || plan.isPending;

  useEffect(() => {
    const take = (event: Event) => {
      write((event as CustomEvent<string>).detail);
      field.current?.focus();
    };
    window.addEventListener(WRITE, take);
    return () => window.removeEventListener(WRITE, take);
  });

  function send(): void {
    const wish = text.trim();
    if (wish === '' || busy || targets.length === 0) return;
    setRefusal(null);
    write('');
    const order = { session: session.id, text: wish, targets, worktrees };
    (coordinate ? plan : prompt).mutate(order, {
      onError: (fault) => {
        setRefusal(explain(fault));
        // Whatever was typed meanwhile comes after what was refused.
        const since = readDraft(session.id);
        write(since === '' ? wish : `${wish}\n\n${since}`);
      },
    });
  }

  return (
    <div className="shrink-0 border-t border-line bg-canvas px-4 pt-2 pb-3">
      {refusal && (
        <p role="alert" className="mb-2 rounded-md bg-danger-wash px-3 py-1.5 text-xs text-danger">
          {refusal}
        </p>
      )}
      <div className="rounded-lg border border-edge/60 bg-raised focus-within:border-accent">
        <textarea
          ref={field}
          data-focus="composer"
          aria-label="Message"
          placeholder={coordinate ? 'What should be planned and done together?' : 'Message…'}
          rows={1}
          value={text}
          onChange={(event) => {
            write(event.target.value);
            typed(session.id);
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) {
              event.preventDefault();
              send();
            }
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
          className="block field-sizing-content max-h-64 min-h-9 w-full resize-none bg-transparent px-3 pt-2 pb-1 outline-none"
        />
        <div className="flex flex-wrap items-center gap-1.5 p-1.5">
          <span className="pl-1.5 text-xs text-muted">To</span>
          <span role="group" aria-label="Targets" className="flex flex-wrap gap-1">
            {session.participants.map((one, seat) => (
              <AgentChip
                key={one.id}
                name={one.agent}
                hue={one.vendor}
                on={targets.includes(one.agent)}
                keys={seat < 4 ? `Alt+${seat + 1}` : undefined}
                title={seat < 4 ? `Alt ${seat + 1}` : one.model}
                onToggle={() => toggle(session, seat)}
              />
            ))}
            <button
              type="button"
              aria-pressed={everybody}
              aria-keyshortcuts="Alt+0"
              title="Alt 0"
              onClick={() => toggle(session, 'all')}
              className={`h-7 rounded-full border px-2.5 text-xs ${everybody ? 'border-edge bg-hover font-medium' : 'border-edge/60 border-dashed text-muted hover:text-ink'}`}
            >
              All
            </button>
          </span>
          <span className="ml-auto flex items-center gap-2">
            {session.repo && coordinate && <WorktreesBox on={worktrees} onChange={setWorktrees} />}
            {session.repo && (
              <label
                className="flex items-center gap-1.5 pr-1 text-xs text-muted"
                title="Plan together, then share the work out"
              >
                <input
                  type="checkbox"
                  checked={coordinate}
                  onChange={(event) => setCoordinate(event.target.checked)}
                />
                Coordinate
              </label>
            )}
            <Button tone="primary" disabled={text.trim() === '' || busy} onClick={send}>
              {busy ? 'Sending…' : 'Send'}
              <Keys binding="$mod+Enter" inverse className="max-sm:hidden" />
            </Button>
          </span>
        </div>
      </div>
    </div>
  );
}
