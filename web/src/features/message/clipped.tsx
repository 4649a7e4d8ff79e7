/** Text somebody wrote, as they wrote it: the beginning of a long one, and all of it when asked. */
import { many } from '@/components/figures';
import { useFolds } from '@/features/task/folds';
import { clip } from './clip';

export function Clipped({ id, text, className = '' }: { id: string; text: string; className?: string }) {
  const key = `text:${id}`;
  const open = useFolds((folds) => folds.cards[key] ?? false);
  const toggle = useFolds((folds) => folds.toggleCard);
  const { shown, hidden } = clip(text);
  return (
    <div className={className}>
      <p className="wrap-anywhere whitespace-pre-wrap">{open ? text : shown}</p>
      {hidden > 0 && (
        <button
          type="button"
          aria-expanded={open}
          onClick={() => toggle(key)}
          className="-ml-1 h-6 rounded-sm px-1 text-xs text-accent hover:underline"
        >
          {open ? 'Show less' : `Show ${many(hidden, 'more line')}`}
        </button>
      )}
    </div>
  );
}
