/** Short words to the user in a live region: read aloud, gone by themselves, never stealing focus. */
import { X } from 'lucide-react';
import { useEffect } from 'react';
import { create } from 'zustand';

type Tone = 'news' | 'problem';

interface Word {
  id: number;
  text: string;
  tone: Tone;
}

const NEWS_MS = 4000;
const PROBLEM_MS = 12_000;

interface Words {
  words: Word[];
  next: number;
  say(text: string, tone: Tone): void;
  drop(id: number): void;
}

const useWords = create<Words>()((set) => ({
  words: [],
  next: 1,
  say(text, tone) {
    set((state) => ({
      next: state.next + 1,
      words: [...state.words.filter((word) => word.text !== text), { id: state.next, text, tone }].slice(-3),
    }));
  },
  drop(id) {
    set((state) => ({ words: state.words.filter((word) => word.id !== id) }));
  },
}));

export function say(text: string, tone: Tone = 'news'): void {
  useWords.getState().say(text, tone);
}

function Toast({ word }: { word: Word }) {
  const drop = useWords((state) => state.drop);
  useEffect(() => {
    const timer = setTimeout(() => drop(word.id), word.tone === 'news' ? NEWS_MS : PROBLEM_MS);
    return () => clearTimeout(timer);
  }, [drop, word.id, word.tone]);
  return (
    <div
      className={`rise pointer-events-auto flex items-start gap-2 rounded-lg border bg-raised py-2 pr-2 pl-3 text-sm shadow-float ${
        word.tone === 'problem' ? 'border-danger text-danger' : 'border-line'
      }`}
    >
      <span className="min-w-0 flex-1 wrap-anywhere">{word.text}</span>
      <button
        type="button"
        aria-label="Dismiss"
        onClick={() => drop(word.id)}
        className="grid size-5 shrink-0 place-items-center rounded-sm text-muted hover:bg-hover"
      >
        <X size={12} aria-hidden />
      </button>
    </div>
  );
}

export function Toasts() {
  const words = useWords((state) => state.words);
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed right-3 bottom-9 z-40 flex w-88 max-w-[calc(100vw-24px)] flex-col gap-2"
    >
      {words.map((word) => (
        <Toast key={word.id} word={word} />
      ))}
    </div>
  );
}
