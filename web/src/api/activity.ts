/** The last events as they came, for the activity feed. Bounded; the journal has them all. */
import { create } from 'zustand';
import { compareCursors } from './stream';
import type { EventRecord } from './nouns';

export const ACTIVITY_MAX = 200;

interface Activity {
  /** Newest first. */
  events: EventRecord[];
  add(events: EventRecord[]): void;
  /** Events from before the page was opened, oldest first. */
  seed(events: EventRecord[]): void;
}

export const useActivity = create<Activity>()((set) => ({
  events: [],
  seed(earlier) {
    set((state) => {
      const eldest = state.events.at(-1)?.cursor;
      const before = earlier.filter(
        (event) => eldest === undefined || compareCursors(event.cursor, eldest) < 0,
      );
      return { events: [...state.events, ...before.toReversed()].slice(0, ACTIVITY_MAX) };
    });
  },
  add(news) {
    if (news.length === 0) return;
    set((state) => {
      const last = state.events[0]?.cursor;
      // A resumed subscription repeats the last event it is not sure of.
      const fresh = news.filter((event) => last === undefined || compareCursors(event.cursor, last) > 0);
      if (fresh.length === 0) return state;
      return { events: [...fresh.toReversed(), ...state.events].slice(0, ACTIVITY_MAX) };
    });
  },
}));
