/** The canvas: zones below, cards above, in a pane that scrolls. A card is drawn where it is held until the daemon has said where it is. */
import { useRef, useState } from 'react';
import type { Card, Place, Session, WholeBoard, Zone } from '@/api/nouns';
import { CardView, type Hands, type Held } from './card';
import { boundsOf, zoneAround, type Bounds } from './geometry';

const COLOURS: Record<string, string> = {
  grey: 'border-edge/60 bg-sunken',
  blue: 'border-[oklch(0.62_0.13_250)] bg-[oklch(0.62_0.13_250/0.08)]',
  green: 'border-[oklch(0.62_0.13_150)] bg-[oklch(0.62_0.13_150/0.08)]',
  yellow: 'border-[oklch(0.75_0.13_95)] bg-[oklch(0.75_0.13_95/0.08)]',
  red: 'border-[oklch(0.6_0.16_25)] bg-[oklch(0.6_0.16_25/0.08)]',
  purple: 'border-[oklch(0.6_0.14_300)] bg-[oklch(0.6_0.14_300/0.08)]',
};

const DOES: Record<string, string> = {
  prompt: 'prompts',
  spawn: 'spawns a session',
  fork: 'forks the session',
};

function where(place: Place, bounds: Bounds) {
  return { left: place.x - bounds.x, top: place.y - bounds.y, width: place.width, height: place.height };
}

function ZoneView({ zone, lit, onSelect }: { zone: Zone; lit: boolean; onSelect(): void }) {
  return (
    <section
      aria-label={`Zone ${zone.name}`}
      className={`h-full w-full rounded-lg border-2 border-dashed p-2 ${COLOURS[zone.colour] ?? ''} ${lit ? 'border-solid' : ''}`}
    >
      <h2 className="text-xs font-medium">
        <button type="button" onClick={onSelect} className="underline-offset-2 hover:underline">
          {zone.name}
        </button>
        {zone.trigger && (
          <span className="ml-2 font-normal text-muted">
            {DOES[zone.trigger.action]}
            {zone.trigger.confirm && ', asks first'}
          </span>
        )}
      </h2>
    </section>
  );
}

export function Canvas({
  board,
  sessions,
  selected,
  onSelect,
  onDrop,
}: {
  board: WholeBoard;
  sessions: Session[];
  selected: string | null;
  onSelect(id: string): void;
  onDrop(card: Card, to: { x: number; y: number }): Promise<unknown>;
}) {
  const [held, setHeld] = useState<Held | null>(null);
  const [dropping, setDropping] = useState(false);
  const [said, setSaid] = useState('');
  // What a handler of the same event has set is not drawn yet.
  const now = useRef<Held | null>(null);
  const put = (next: Held | null) => {
    now.current = next;
    setHeld(next);
  };
  const placeOf = (card: Card): Place =>
    held?.card === card.id ? { ...card.place, x: held.x, y: held.y } : card.place;
  const zoneOf = (card: Card, at: { x: number; y: number }) =>
    zoneAround(board.zones, { ...card.place, ...at })?.name ?? 'no zone';
  const find = (id: string) => board.cards.find((one) => one.id === id);
  const hands: Hands = {
    held,
    hold(next) {
      const card = find(next.card);
      if (!card || dropping) return;
      if (now.current === null) setSaid(`Holding, in ${zoneOf(card, next)}`);
      else setSaid(`In ${zoneOf(card, next)}, at ${next.x}, ${next.y}`);
      put(next);
    },
    drop() {
      const last = now.current;
      const card = last && find(last.card);
      if (!last || !card || dropping) return;
      if (last.x === card.place.x && last.y === card.place.y) {
        setSaid('Put back where it was');
        put(null);
        return;
      }
      setSaid(`Dropped in ${zoneOf(card, last)}`);
      setDropping(true);
      void onDrop(card, { x: last.x, y: last.y }).finally(() => {
        put(null);
        setDropping(false);
      });
    },
    putBack() {
      if (now.current === null || dropping) return;
      setSaid('Put back where it was');
      put(null);
    },
    select: onSelect,
  };
  const bounds = boundsOf([...board.cards, ...board.zones].map((one) => one.place));
  const holding = held ? find(held.card) : undefined;
  const over = holding && held ? zoneAround(board.zones, { ...holding.place, x: held.x, y: held.y }) : null;
  const ofSession = (card: Card) => {
    const { subject } = card;
    return subject.kind === 'session' ? sessions.find((one) => one.id === subject.session) : undefined;
  };
  return (
    <div
      role="region"
      aria-label={`Board ${board.name}`}
      // Scrollable by keyboard.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className="focus-inset relative min-h-0 flex-1 overflow-x-auto overflow-y-auto"
    >
      <p id="board-keys" className="sr-only">
        Space takes the card and drops it, arrows move it while it is held, Shift further, Escape puts it
        back.
      </p>
      <p role="status" className="sr-only">
        {said}
      </p>
      <div className="relative" style={{ width: bounds.width, height: bounds.height }}>
        {board.zones.map((zone) => (
          <div key={zone.id} className="absolute" style={where(zone.place, bounds)}>
            <ZoneView zone={zone} lit={over?.id === zone.id} onSelect={() => onSelect(zone.id)} />
          </div>
        ))}
        <ul aria-label="Cards">
          {board.cards.map((card) => (
            <li
              key={card.id}
              className={`absolute ${held?.card === card.id ? 'z-10' : ''}`}
              style={where(placeOf(card), bounds)}
            >
              <CardView
                card={card}
                session={ofSession(card)}
                zone={board.zones.find((zone) => zone.id === card.zone)?.name ?? null}
                hands={hands}
                selected={selected === card.id}
              />
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
