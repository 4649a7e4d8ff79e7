/** What is selected on a board, and what was said about it. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Card, Comment, WholeBoard } from '@/api/nouns';
import { boardQuery } from '@/api/queries';
import { Button } from '@/components/button';
import { Section } from '@/components/section';
import { Age } from '@/components/time';
import { middleOf } from './geometry';
import { useAnswerCard, useChangeCard, useComment, useRemoveCard, useResolve } from './orders';
import { ZoneForm } from './zone-form';

const BOX = 'w-full rounded-md border border-edge/60 bg-raised px-2 py-1 text-sm';

function Firing({ card }: { card: Card }) {
  const answer = useAnswerCard();
  const { firing } = card;
  if (!firing) return null;
  return (
    <div className="mx-4 mt-2 rounded-md border border-line bg-raised p-2 text-xs">
      <p className="text-muted">The zone's prompt, {firing.state}:</p>
      <p className="mt-1 wrap-anywhere whitespace-pre-wrap">{firing.prompt}</p>
      {firing.text !== null && <p className="mt-1 text-danger">{firing.text}</p>}
      {firing.state === 'asked' && (
        <div className="mt-2 flex gap-2">
          <Button
            size="sm"
            tone="primary"
            disabled={answer.isPending}
            onClick={() => answer.mutate({ card: card.id, confirm: true })}
          >
            Do it
          </Button>
          <Button
            size="sm"
            disabled={answer.isPending}
            onClick={() => answer.mutate({ card: card.id, confirm: false })}
          >
            Leave it
          </Button>
        </div>
      )}
    </div>
  );
}

function Note({ card }: { card: Card }) {
  const change = useChangeCard();
  const [note, setNote] = useState(card.note);
  return (
    <form
      className="flex flex-col items-start gap-2 px-4 pt-2"
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate({ card: card.id, note, revision: card.revision });
      }}
    >
      <textarea
        aria-label="Note"
        rows={4}
        value={note}
        onChange={(event) => setNote(event.target.value)}
        className={BOX}
      />
      <Button type="submit" size="sm" disabled={note === card.note || change.isPending}>
        Keep the note
      </Button>
    </form>
  );
}

function Selected({ board, card, onGone }: { board: WholeBoard; card: Card; onGone(): void }) {
  const change = useChangeCard();
  const remove = useRemoveCard();
  return (
    <Section title={card.title === null || card.title === '' ? 'Note' : card.title}>
      <div className="flex flex-wrap items-center gap-2 px-4">
        <select
          aria-label="Drop in a zone"
          value={card.zone ?? ''}
          disabled={board.zones.length === 0 || change.isPending}
          onChange={(event) => {
            const zone = board.zones.find((one) => one.id === event.target.value);
            if (zone)
              change.mutate({ card: card.id, ...middleOf(zone.place, card.place), revision: card.revision });
          }}
          className="h-7 min-w-0 flex-1 rounded-md border border-edge/60 bg-raised px-2 text-sm"
        >
          <option value="">In no zone</option>
          {board.zones.map((zone) => (
            <option key={zone.id} value={zone.id}>
              {zone.name}
            </option>
          ))}
        </select>
        <Button
          size="sm"
          tone="danger"
          onClick={() => remove.mutate(card.id, { onSuccess: onGone })}
          disabled={remove.isPending}
        >
          Take off
        </Button>
      </div>
      <Firing card={card} />
      {/* A note that somebody else has changed is shown, not overwritten. */}
      <Note key={`${card.id}.${card.note}`} card={card} />
    </Section>
  );
}

function Thread({ first, replies, onReply }: { first: Comment; replies: Comment[]; onReply(): void }) {
  const resolve = useResolve();
  return (
    <li className={`border-t border-line px-4 py-2 first:border-t-0 ${first.resolved ? 'text-muted' : ''}`}>
      <ul className="flex flex-col gap-1">
        {[first, ...replies].map((one) => (
          <li key={one.id} className={one.reply_to === null ? '' : 'pl-3'}>
            <p className="flex items-center gap-2 text-2xs text-muted">
              {one.author}
              <Age since={one.created_at} />
            </p>
            <p className="wrap-anywhere whitespace-pre-wrap">{one.text}</p>
          </li>
        ))}
      </ul>
      <div className="mt-1 flex gap-2">
        <Button size="sm" tone="quiet" onClick={onReply}>
          Reply
        </Button>
        <Button
          size="sm"
          tone="quiet"
          onClick={() => resolve.mutate({ comment: first.id, resolved: !first.resolved })}
        >
          {first.resolved ? 'Open again' : 'Settle'}
        </Button>
      </div>
    </li>
  );
}

function Comments({ board, card }: { board: WholeBoard; card: Card | undefined }) {
  const comment = useComment();
  const [text, setText] = useState('');
  const [answering, setAnswering] = useState<string | null>(null);
  const about = board.comments.filter((one) => !card || one.card === card.id);
  const firsts = about.filter((one) => one.reply_to === null);
  return (
    <Section title={card ? 'Comments on the card' : 'Comments'} count={firsts.length} className="mt-3">
      <ul>
        {firsts.map((first) => (
          <Thread
            key={first.id}
            first={first}
            replies={about.filter((one) => one.reply_to === first.id)}
            onReply={() => setAnswering(first.id)}
          />
        ))}
      </ul>
      <form
        className="flex flex-col items-start gap-2 px-4 pt-2"
        onSubmit={(event) => {
          event.preventDefault();
          const on = answering === null ? { card: card?.id ?? null } : { reply_to: answering };
          comment.mutate(
            { board: board.id, text, ...on },
            {
              onSuccess: () => {
                setText('');
                setAnswering(null);
              },
            },
          );
        }}
      >
        <textarea
          aria-label={answering === null ? 'Comment' : 'Answer'}
          rows={2}
          value={text}
          onChange={(event) => setText(event.target.value)}
          className={BOX}
        />
        <div className="flex gap-2">
          <Button type="submit" size="sm" disabled={text.trim() === '' || comment.isPending}>
            {answering === null ? 'Comment' : 'Answer'}
          </Button>
          {answering !== null && (
            <Button size="sm" tone="quiet" onClick={() => setAnswering(null)}>
              Not an answer
            </Button>
          )}
        </div>
      </form>
    </Section>
  );
}

export function Inspector({
  slug,
  selected,
  onGone,
}: {
  slug: string;
  selected: string | null;
  onGone(): void;
}) {
  const { data: board } = useQuery(boardQuery(slug));
  if (!board) return null;
  const card = board.cards.find((one) => one.id === selected);
  const zone = board.zones.find((one) => one.id === selected);
  return (
    <>
      {card && <Selected board={board} card={card} onGone={onGone} />}
      {zone && <ZoneForm key={`${zone.id}.${zone.revision}`} zone={zone} onGone={onGone} />}
      {!card && !zone && (
        <p className="px-4 pt-3 text-xs text-muted">Select a card or a zone to see more of it here.</p>
      )}
      {!zone && <Comments key={card?.id ?? ''} board={board} card={card} />}
    </>
  );
}
