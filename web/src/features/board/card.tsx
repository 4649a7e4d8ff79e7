/**
 * A card: what it stands for, how that is now, and what its last drop came to. It is taken by its title, with a pointer or by Space;
 * arrows move it while it is held, Space drops it, Escape puts it back. Nothing is told to the daemon before the drop.
 */
import { Link } from '@tanstack/react-router';
import { useRef, type KeyboardEvent, type PointerEvent } from 'react';
import type { Card, Place, Session } from '@/api/nouns';
import { Glyph } from '@/features/agent/identity';
import { StatusWord } from '@/features/agent/status';
import { Prose } from '@/features/message/prose';
import { Conflicts } from './conflicts';
import { stepOf } from './geometry';

/** A pointer that moved less than this has clicked. */
const CLICK = 4;

const FIRED: Record<string, [string, string]> = {
  asked: ['Waits for your word', 'text-accent'],
  due: ['Is being carried out', 'text-muted'],
  done: ['Prompted', 'text-good'],
  refused: ['Refused', 'text-danger'],
  dismissed: ['Dismissed', 'text-faint'],
};

export interface Held {
  card: string;
  x: number;
  y: number;
}

export interface Hands {
  held: Held | null;
  /** Takes the card, or moves it while it is held. */
  hold(held: Held): void;
  drop(): void;
  putBack(): void;
  select(card: string): void;
}

function Agents({ session }: { session: Session }) {
  return (
    <ul className="flex flex-col gap-0.5">
      {session.participants.slice(0, 4).map((one) => (
        <li key={one.id} className="flex items-center gap-1.5">
          <Glyph hue={one.vendor} size={12} />
          <span className="truncate text-xs">{one.agent}</span>
          <span className="flex-1" />
          <StatusWord status={one.status} since={one.since} />
        </li>
      ))}
    </ul>
  );
}

function useGrip(card: Card, hands: Hands) {
  const from = useRef<{ x: number; y: number; place: Place; moved: boolean } | null>(null);
  const mine = hands.held?.card === card.id;
  return {
    onPointerDown(event: PointerEvent<HTMLButtonElement>) {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      from.current = { x: event.clientX, y: event.clientY, place: card.place, moved: false };
    },
    onPointerMove(event: PointerEvent<HTMLButtonElement>) {
      const start = from.current;
      if (!start) return;
      const [x, y] = [event.clientX - start.x, event.clientY - start.y];
      if (!start.moved && Math.abs(x) + Math.abs(y) < CLICK) return;
      start.moved = true;
      hands.hold({ card: card.id, x: Math.round(start.place.x + x), y: Math.round(start.place.y + y) });
    },
    onPointerUp() {
      if (from.current?.moved) hands.drop();
      from.current = null;
    },
    onPointerCancel() {
      from.current = null;
      hands.putBack();
    },
    onClick() {
      hands.select(card.id);
    },
    onKeyDown(event: KeyboardEvent<HTMLButtonElement>) {
      const step = stepOf(event.key, event.shiftKey);
      if (event.key === ' ') {
        event.preventDefault();
        if (mine) hands.drop();
        else hands.hold({ card: card.id, x: card.place.x, y: card.place.y });
      } else if (mine && hands.held && step) {
        event.preventDefault();
        hands.hold({ ...hands.held, x: hands.held.x + step.x, y: hands.held.y + step.y });
      } else if (mine && event.key === 'Escape') {
        event.preventDefault();
        event.stopPropagation();
        hands.putBack();
      }
    },
    // A button is pressed by Space when it comes up; here Space has done its work already.
    onKeyUp(event: KeyboardEvent<HTMLButtonElement>) {
      if (event.key === ' ') event.preventDefault();
    },
    onBlur() {
      if (mine && !from.current) hands.putBack();
    },
  };
}

export function CardView({
  card,
  session,
  zone,
  hands,
  selected,
}: {
  card: Card;
  session: Session | undefined;
  /** Name of the zone it is in. */
  zone: string | null;
  hands: Hands;
  selected: boolean;
}) {
  const grip = useGrip(card, hands);
  const held = hands.held?.card === card.id;
  const title = session?.title ?? (card.title === null || card.title === '' ? 'Note' : card.title);
  const kind = card.subject.kind;
  const fired = card.firing ? FIRED[card.firing.state] : undefined;
  const note = kind === 'note' ? card.note : '';
  return (
    <div
      className={`relative flex h-full w-full flex-col gap-1 overflow-hidden rounded-lg border bg-raised p-2 ${
        held ? 'border-accent shadow-float' : selected ? 'border-accent' : 'border-edge/60'
      }`}
    >
      <div className="flex items-center gap-2">
        <button
          type="button"
          data-row
          data-card={card.id}
          aria-pressed={held}
          aria-label={`${title}, ${kind}${zone === null ? '' : `, in ${zone}`}`}
          aria-describedby="board-keys"
          className="min-w-0 flex-1 cursor-grab touch-none truncate text-left text-sm font-medium after:absolute after:inset-0 active:cursor-grabbing"
          {...grip}
        >
          {kind === 'note' ? 'Note' : title}
        </button>
        {card.subject.kind === 'session' && (
          <Link
            to="/s/$id"
            params={{ id: card.subject.session }}
            aria-label={`Open ${title}`}
            className="relative z-10 text-2xs text-accent underline underline-offset-2"
          >
            Open
          </Link>
        )}
        {kind === 'worktree' && <span className="text-2xs text-faint">worktree</span>}
      </div>
      <Conflicts conflicts={card.conflicts} />
      {session && <Agents session={session} />}
      {note !== '' && <Prose text={note} className="text-xs" />}
      {kind !== 'note' && card.note !== '' && <p className="truncate text-xs text-muted">{card.note}</p>}
      {fired && (
        <p
          className={`mt-auto truncate text-2xs ${fired[1]}`}
          title={card.firing?.text ?? card.firing?.prompt}
        >
          {fired[0]}
          {card.firing?.text ? `: ${card.firing.text}` : ''}
        </p>
      )}
    </div>
  );
}
