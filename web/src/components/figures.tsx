/** Money, tokens and changed lines, always in the same few characters. */

import type { Usage } from '@/api/nouns';

export function dollars(micros: number): string {
  if (micros <= 0) return '$0.00';
  if (micros < 10_000) return '<$0.01';
  return `$${(micros / 1_000_000).toFixed(2)}`;
}

/** What it cost, and how sure that is: `~` by list prices, `≥` a part has no known price, `?` none has. */
export function cost(usage: Usage): string {
  const amount = dollars(usage.cost_micros);
  if (usage.cost_source === 'table') return `~${amount}`;
  if (usage.cost_source === 'mixed') return `≥${amount}`;
  const used = usage.input_tokens + usage.output_tokens > 0;
  return usage.cost_source === 'none' && used && usage.cost_micros === 0 ? '?' : amount;
}

/** `812`, `12.4k`, `1.2M`. */
export function short(count: number): string {
  if (count < 1000) return String(count);
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 100_000 ? 1 : 0).replace(/\.0$/, '')}k`;
  return `${(count / 1_000_000).toFixed(1).replace(/\.0$/, '')}M`;
}

/** `3 locks`, `1 lock`. */
export function many(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function Lines({ added, removed }: { added: number; removed: number }) {
  if (added === 0 && removed === 0) return null;
  return (
    <span className="shrink-0 font-mono text-2xs">
      <span className="text-good">+{added}</span> <span className="text-danger">−{removed}</span>
    </span>
  );
}
