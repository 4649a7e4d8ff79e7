/** What is in the way of a card's worktree or session: how bad the worst conflict is and in which file, the rest in words on demand. */
import { TriangleAlert } from 'lucide-react';
import type { CardConflict } from '@/api/nouns';
import { many } from '@/components/figures';

const WORDS: Record<CardConflict['kind'], string> = {
  same_file: 'Same file',
  same_hunk: 'Same lines',
  merge_conflict: 'Merge conflict',
  base_conflict: 'Conflicts with the branch',
};

/** These stop a merge; the others may yet go well. */
const STOPS: ReadonlySet<CardConflict['kind']> = new Set(['merge_conflict', 'base_conflict']);

function filesOf(one: CardConflict): string {
  const first = one.paths[0] ?? '';
  const more = Math.max(0, one.paths.length - 1) + one.more;
  return more > 0 ? `${first} and ${more} more` : first;
}

function sentence(one: CardConflict): string {
  const [files, more] = [one.paths.join(', '), one.more > 0 ? ` and ${one.more} more` : ''];
  const others = one.with.length > 0 ? `, with ${one.with.join(' and ')}` : '';
  return `${WORDS[one.kind]}: ${files}${more}${others}`;
}

/** The worst conflict, and how many more there are. Nothing when there is none. */
export function Conflicts({ conflicts }: { conflicts: CardConflict[] }) {
  const worst = conflicts[0];
  if (!worst) return null;
  const more = conflicts.length - 1;
  return (
    <p
      className={`flex items-center gap-1 text-2xs ${STOPS.has(worst.kind) ? 'text-danger' : 'text-warn'}`}
      title={conflicts.map(sentence).join('\n')}
    >
      <TriangleAlert size={12} aria-hidden className="shrink-0" />
      <span className="truncate">
        {WORDS[worst.kind]}: <span className="font-mono">{filesOf(worst)}</span>
        {more > 0 && `, ${many(more, 'more conflict')}`}
      </span>
    </p>
  );
}
