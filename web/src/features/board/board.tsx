/** A board: pick one, put something on it, drag it about. What is selected, and what was said, is beside it. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { Plus } from 'lucide-react';
import { useEffect, useState } from 'react';
import { explain } from '@/api/mutations';
import type { Card, WholeBoard } from '@/api/nouns';
import { boardQuery, boardsQuery, keys, sessionsQuery } from '@/api/queries';
import { Centre } from '@/app/centre';
import { Button } from '@/components/button';
import { CommandLine, Empty, Skeleton, Trouble } from '@/components/empty';
import { Canvas } from './canvas';
import { Inspector } from './inspector';
import { useChangeCard, useCreateBoard, usePlaceCard, usePlaceZone } from './orders';

const route = getRouteApi('/board');

const FIELD = 'h-7 rounded-md border border-edge/60 bg-raised px-2 text-sm';

function NewBoard({ onMade }: { onMade(slug: string): void }) {
  const create = useCreateBoard();
  const [name, setName] = useState('');
  return (
    <form
      className="flex items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate(name, {
          onSuccess: (board) => {
            setName('');
            onMade(board.slug);
          },
        });
      }}
    >
      <input
        aria-label="Name of a new board"
        placeholder="New board"
        value={name}
        maxLength={100}
        onChange={(event) => setName(event.target.value)}
        className={`${FIELD} w-32`}
      />
      <Button type="submit" aria-label="Make the board" disabled={name.trim() === '' || create.isPending}>
        <Plus size={14} aria-hidden />
      </Button>
    </form>
  );
}

/** What can be put on the board: the sessions that are not on it, a note, a zone. */
function Add({ board }: { board: WholeBoard }) {
  const sessions = useQuery(sessionsQuery).data ?? [];
  const place = usePlaceCard();
  const zone = usePlaceZone();
  const there = new Set(board.cards.map((card) => ('session' in card.subject ? card.subject.session : '')));
  const rest = sessions.filter((one) => !there.has(one.id));
  const below = Math.max(0, ...[...board.cards, ...board.zones].map((one) => one.place.y + one.place.height));
  return (
    <>
      <select
        aria-label="Put a session on the board"
        value=""
        disabled={rest.length === 0}
        onChange={(event) => place.mutate({ board: board.id, session: event.target.value })}
        className={`${FIELD} w-36`}
      >
        <option value="">Add session…</option>
        {rest.map((one) => (
          <option key={one.id} value={one.id}>
            {one.title}
          </option>
        ))}
      </select>
      <Button onClick={() => place.mutate({ board: board.id, note: 'A note' })}>Add note</Button>
      <Button
        onClick={() =>
          zone.mutate({
            board: board.id,
            name: 'New zone',
            place: { x: 0, y: below + 40, width: 560, height: 320 },
          })
        }
      >
        Add zone
      </Button>
    </>
  );
}

function Shown({
  slug,
  selected,
  onSelect,
}: {
  slug: string;
  selected: string | null;
  onSelect(id: string): void;
}) {
  const board = useQuery(boardQuery(slug));
  const sessions = useQuery(sessionsQuery);
  const change = useChangeCard();
  const cache = useQueryClient();
  if (board.isPending) return <Skeleton rows={4} />;
  if (board.isError) return <Trouble text={explain(board.error)} retry={() => void board.refetch()} />;
  const drop = (card: Card, to: { x: number; y: number }) =>
    change
      .mutateAsync({ card: card.id, ...to, revision: card.revision })
      .then((moved) => {
        cache.setQueryData<WholeBoard>(
          keys.board(slug),
          (known) =>
            known && { ...known, cards: known.cards.map((one) => (one.id === moved.id ? moved : one)) },
        );
      })
      // What the daemon refused was said aloud; the card is where it was.
      .catch(() => undefined);
  return (
    <>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2">
        <Add board={board.data} />
      </div>
      {board.data.cards.length + board.data.zones.length === 0 && (
        <p className="px-4 pt-3 text-muted">
          Nothing is on this board yet. Put a session, a note or a zone on it.
        </p>
      )}
      <Canvas
        board={board.data}
        sessions={sessions.data ?? []}
        selected={selected}
        onSelect={onSelect}
        onDrop={drop}
      />
    </>
  );
}

export function BoardScreen() {
  const { b } = route.useSearch();
  const navigate = route.useNavigate();
  const boards = useQuery(boardsQuery);
  const [selected, setSelected] = useState<string | null>(null);
  const slug = b ?? boards.data?.[0]?.slug ?? null;
  const known = boards.data?.find((one) => one.slug === slug);
  useEffect(() => {
    document.title = `${known?.name ?? 'Boards'} · Coditect`;
  }, [known?.name]);
  const open = (to: string) => {
    setSelected(null);
    void navigate({ search: { b: to } });
  };
  return (
    <Centre
      inspectorName="On this board"
      header={
        <>
          <h1 className="text-base font-semibold whitespace-nowrap">{known?.name ?? 'Boards'}</h1>
          {boards.data && boards.data.length > 1 && (
            <select
              aria-label="Board"
              value={slug ?? ''}
              onChange={(event) => open(event.target.value)}
              className={`${FIELD} max-w-48 max-sm:hidden`}
            >
              {boards.data.map((one) => (
                <option key={one.id} value={one.slug}>
                  {one.name}
                </option>
              ))}
            </select>
          )}
          <span className="flex-1" />
          <NewBoard onMade={open} />
        </>
      }
      inspector={
        slug === null ? (
          <Empty title="No board is open" />
        ) : (
          <Inspector slug={slug} selected={selected} onGone={() => setSelected(null)} />
        )
      }
    >
      {boards.isPending && <Skeleton rows={4} />}
      {boards.isError && !boards.data && (
        <Trouble text={explain(boards.error)} retry={() => void boards.refetch()} />
      )}
      {boards.data && slug === null && (
        <Empty title="No boards yet">
          <p>
            A board shows sessions, worktrees and notes, and prompts what you drop in a zone. From a terminal:
          </p>
          <CommandLine>coditect board new "Release"</CommandLine>
        </Empty>
      )}
      {slug !== null && <Shown key={slug} slug={slug} selected={selected} onSelect={setSelected} />}
    </Centre>
  );
}
