import { ChevronRight } from 'lucide-react';
import { useFolds } from '@/features/task/folds';

/** What the model thought, folded: it is long, and seldom what one came for. */
export function Thought({ id, text, growing = false }: { id: string; text: string; growing?: boolean }) {
  const key = `thought:${id}`;
  const open = useFolds((folds) => folds.cards[key] ?? false);
  const toggle = useFolds((folds) => folds.toggleCard);
  // Some models keep what they thought to themselves and send only the fact.
  if (text.trim() === '' && !growing) return null;
  const line = text.trimEnd().split('\n').at(-1) ?? '';
  return (
    <div className="text-muted">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => toggle(key)}
        className="flex h-6 max-w-full items-center gap-1.5 rounded-sm text-xs hover:text-ink"
      >
        <ChevronRight
          size={12}
          aria-hidden
          className={`shrink-0 transition-transform duration-100 ${open ? 'rotate-90' : ''}`}
        />
        <span className="shrink-0">{growing ? 'Thinking…' : 'Thought'}</span>
        {!open && <span className="truncate text-faint">{line}</span>}
      </button>
      {open && (
        <div className="mt-1 border-l-2 border-line pl-3 text-xs leading-5 wrap-anywhere whitespace-pre-wrap">
          {text}
        </div>
      )}
    </div>
  );
}
