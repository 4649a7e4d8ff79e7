/** What is folded on the session's page. Outlives scrolling: rows come and go, this stays. */
import { create } from 'zustand';
import type { Task } from '@/api/nouns';
import { isOpen } from './state';

/** `tail`: the last few messages only, so that four running tasks fit on one screen. */
export type Fold = 'closed' | 'tail' | 'full';

interface Folds {
  tasks: Record<string, Fold>;
  /** Unfolded tool calls and thoughts, by key. */
  cards: Record<string, boolean>;
  fold(task: string, fold: Fold): void;
  toggleCard(key: string): void;
}

export const useFolds = create<Folds>()((set) => ({
  tasks: {},
  cards: {},
  fold(task, fold) {
    set((state) => ({ tasks: { ...state.tasks, [task]: fold } }));
  },
  toggleCard(key) {
    set((state) => ({ cards: { ...state.cards, [key]: !state.cards[key] } }));
  },
}));

/**
 * How a task is shown before somebody says otherwise. What ended while one looked stays open:
 * the page never takes away what is being read.
 */
export function firstFold(task: Task, seenOpen: ReadonlySet<string>): Fold {
  if (task.kind === 'prompt') return 'full';
  return isOpen(task.state) || seenOpen.has(task.id) ? 'tail' : 'closed';
}
