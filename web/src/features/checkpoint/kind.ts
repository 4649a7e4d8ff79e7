/** What kind of checkpoint one is, in words. */
import type { Checkpoint } from '@/api/nouns';

/** Nobody asked for it: it is shown where somebody looks for a way back, and not in the conversation. */
export function automatic(checkpoint: Checkpoint): boolean {
  return checkpoint.kind !== 'work' && checkpoint.kind !== 'named';
}

export function called(checkpoint: Checkpoint): string {
  return checkpoint.name ?? checkpoint.message.split('\n', 1)[0] ?? '';
}
