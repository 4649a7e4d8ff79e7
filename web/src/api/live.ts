/**
 * Text that is being written right now, per turn. Only of the session on the screen.
 * Invariant: a turn's text is a gapless prefix of what the agent wrote; a delta that does not fit
 * is not applied, and its turn is marked so that the text so far is asked for again.
 */
import { create } from 'zustand';
import type { DeltaFrame, LiveTurn, Message } from './nouns';

/** Bytes the text takes in UTF-8, which is how the daemon counts offsets. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      bytes += 4;
      i += 1;
    } else bytes += 3;
  }
  return bytes;
}

/** The part of `text` behind its first `bytes` bytes. */
function behind(text: string, bytes: number): string {
  let i = 0;
  let seen = 0;
  while (i < text.length && seen < bytes) {
    const point = text.codePointAt(i) ?? 0;
    seen += utf8Length(String.fromCodePoint(point));
    i += point > 0xffff ? 2 : 1;
  }
  return text.slice(i);
}

interface LiveState {
  session: string | null;
  turns: Record<string, LiveTurn>;
  /** Turns whose text so far has a gap. */
  gaps: ReadonlySet<string>;
  /** Counts commits, to tell what was asked for before one from what came after. */
  commits: number;
  committed: Record<string, number>;
  watch(session: string | null): void;
  /** Takes the text so far, as the daemon knew it when `commits` stood at `asked`. */
  seed(session: string, turns: LiveTurn[], asked: number): void;
  apply(deltas: DeltaFrame[]): void;
  begin(turn: Omit<LiveTurn, 'text' | 'thinking'>): void;
  /** The message is committed; what was streamed of it is on the page twice otherwise. */
  commit(message: Message): void;
  end(turn: string): void;
}

/** A turn after one more delta, or null when the delta does not fit. */
export function extend(turn: LiveTurn, delta: DeltaFrame): LiveTurn | null {
  const have = turn[delta.kind];
  const length = utf8Length(have);
  if (delta.offset === length) return { ...turn, [delta.kind]: have + delta.text };
  if (delta.offset > length) return null;
  // Offset 0 over other text: the next message of the turn has begun.
  if (delta.offset === 0 && !have.startsWith(delta.text) && !delta.text.startsWith(have)) {
    return { ...turn, [delta.kind]: delta.text };
  }
  const news = behind(delta.text, length - delta.offset);
  return news === '' ? turn : { ...turn, [delta.kind]: have + news };
}

export const useLive = create<LiveState>()((set) => ({
  session: null,
  turns: {},
  gaps: new Set(),
  commits: 0,
  committed: {},
  watch(session) {
    set((state) =>
      state.session === session ? state : { session, turns: {}, gaps: new Set(), committed: {} },
    );
  },
  seed(session, turns, asked) {
    set((state) => {
      if (state.session !== session) return state;
      const merged = turns.map((turn) => {
        // Its message was committed while the answer was on its way.
        if ((state.committed[turn.turn] ?? 0) > asked)
          return state.turns[turn.turn] ?? { ...turn, text: '', thinking: '' };
        const have = state.turns[turn.turn];
        return have?.text.startsWith(turn.text) && have.thinking.startsWith(turn.thinking) ? have : turn;
      });
      return { turns: Object.fromEntries(merged.map((turn) => [turn.turn, turn])), gaps: new Set() };
    });
  },
  apply(deltas) {
    set((state) => {
      const turns = { ...state.turns };
      const gaps = new Set(state.gaps);
      let changed = false;
      for (const delta of deltas) {
        if (delta.session !== state.session) continue;
        const turn = turns[delta.turn];
        const next = turn ? extend(turn, delta) : null;
        if (next) turns[delta.turn] = next;
        else gaps.add(delta.turn);
        changed = true;
      }
      return changed ? { turns, gaps: gaps.size === state.gaps.size ? state.gaps : gaps } : state;
    });
  },
  begin(turn) {
    set((state) =>
      state.session === turn.session && !state.turns[turn.turn]
        ? { turns: { ...state.turns, [turn.turn]: { ...turn, text: '', thinking: '' } } }
        : state,
    );
  },
  commit(message) {
    set((state) => {
      const live = message.turn ? state.turns[message.turn] : undefined;
      if (!live || message.role !== 'assistant') return state;
      const text = message.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('\n\n');
      // A delta of the next message may have overtaken this event; then it stays.
      const kept = text.startsWith(live.text) ? '' : live.text;
      const commits = state.commits + 1;
      return {
        commits,
        committed: { ...state.committed, [live.turn]: commits },
        turns: { ...state.turns, [live.turn]: { ...live, text: kept, thinking: '' } },
      };
    });
  },
  end(turn) {
    set((state) => {
      if (!state.turns[turn]) return state;
      const { [turn]: _, ...turns } = state.turns;
      return { turns };
    });
  },
}));
