/** Where what was said was condensed: agents are shown the summary, people all of it. */
import { FoldVertical } from 'lucide-react';
import type { Compaction } from '@/api/nouns';
import { many, short } from '@/components/figures';

export function CondensedRow({ compaction }: { compaction: Compaction }) {
  return (
    <details className="mt-3 border-y border-line px-1 py-1 text-xs text-muted">
      <summary className="flex cursor-pointer items-center gap-2">
        <FoldVertical size={13} aria-hidden className="shrink-0" />
        <span className="shrink-0 font-medium text-ink">Condensed for agents</span>
        <span className="min-w-0 flex-1 truncate">
          {many(compaction.messages, 'message')} by {compaction.model}
        </span>
        <span className="shrink-0">
          {short(compaction.tokens_before)} → {short(compaction.tokens_after)} tokens
        </span>
      </summary>
      <p className="max-w-192 px-5 py-2 whitespace-pre-wrap">{compaction.summary}</p>
    </details>
  );
}
