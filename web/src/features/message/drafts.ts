/** What was typed and whom it is for, per session. Survives reloads, reconnects and crashes of the page. */
import { create } from 'zustand';
import type { Session } from '@/api/nouns';
import { recall, remember } from '@/app/remember';

/** Drafts are written this long after the last key, and at once when the page goes away. */
export const DRAFT_DELAY_MS = 250;

const waiting = new Map<string, string>();
let timer: ReturnType<typeof setTimeout> | null = null;

function write(): void {
  timer = null;
  for (const [key, text] of waiting) remember(key, text === '' ? null : text);
  waiting.clear();
}

export function readDraft(id: string): string {
  return waiting.get(`draft.${id}`) ?? recall(`draft.${id}`) ?? '';
}

export function keepDraft(id: string, text: string): void {
  waiting.set(`draft.${id}`, text);
  timer ??= setTimeout(write, DRAFT_DELAY_MS);
}

/** Writes what is waiting. */
export function flushDrafts(): void {
  if (timer !== null) clearTimeout(timer);
  write();
}

if (typeof window !== 'undefined') window.addEventListener('pagehide', flushDrafts);

interface Targets {
  /** Agent names per session; a session that is not here targets everybody. */
  of: Record<string, string[]>;
  /** From everybody, a seat is chosen alone; after that seats are added and taken away. */
  toggle(session: Session, seat: number | 'all'): void;
}

function remembered(): Record<string, string[]> {
  try {
    const stored: unknown = JSON.parse(recall('targets') ?? '{}');
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, string[]>) : {};
  } catch {
    return {};
  }
}

export const useTargets = create<Targets>()((set, get) => ({
  of: remembered(),
  toggle(session, seat) {
    const everybody = session.participants.map((one) => one.agent);
    const chosen = targetsOf(get().of, session);
    let next: string[];
    if (seat === 'all') {
      next = everybody;
    } else {
      const agent = everybody[seat];
      if (agent === undefined) return;
      if (chosen.length === everybody.length) next = [agent];
      else if (chosen.includes(agent)) next = chosen.filter((one) => one !== agent);
      else next = [...chosen, agent];
      // A message to nobody cannot be sent: letting go of the last one means everybody.
      if (next.length === 0) next = everybody;
    }
    const of = { ...get().of, [session.id]: everybody.filter((agent) => next.includes(agent)) };
    remember('targets', JSON.stringify(of));
    set({ of });
  },
}));

export function targetsOf(of: Record<string, string[]>, session: Session): string[] {
  const everybody = session.participants.map((one) => one.agent);
  const kept = of[session.id]?.filter((agent) => everybody.includes(agent)) ?? [];
  return kept.length > 0 ? kept : everybody;
}
