/**
 * The conversation, virtualised. Invariants: the row being read never moves by itself; at the end, the end is
 * followed; history comes in pages of 200 and only when somebody scrolls to it.
 */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { explain } from '@/api/mutations';
import { useLive } from '@/api/live';
import { compactionsQuery, messagesQuery } from '@/api/queries';
import type { Checkpoint, Message, Plan, Session, Task } from '@/api/nouns';
import { LATEST } from '@/app/deeds';
import { Empty, Skeleton, Trouble } from '@/components/empty';
import { many } from '@/components/figures';
import { firstFold, useFolds } from '@/features/task/folds';
import { isOpen } from '@/features/task/state';
import { resultsOf, rowsOf, type Row } from './rows';
import { RowView } from './row-view';

/** This close to the end counts as being there, in pixels. */
const END_PX = 64;
/** This close to the top the next page of history is asked for, in pixels. */
const EARLIER_PX = 800;

const HEIGHTS: Partial<Record<Row['kind'], number>> = {
  task: 44,
  message: 84,
  live: 56,
  prompt: 64,
  question: 40,
};

function useConversation(session: Session, tasks: Task[], plans: Plan[], checkpoints: Checkpoint[]) {
  const history = useInfiniteQuery(messagesQuery(session.id));
  const compactions = useQuery(compactionsQuery(session.id)).data;
  // Deltas must not redraw the list: rows depend on which turns are written, not on what is in them.
  const writing = useLive((state) => Object.keys(state.turns).join(' '));
  const turns = useMemo(() => (writing === '' ? [] : Object.values(liveNow())), [writing]);
  const folds = useFolds((state) => state.tasks);
  const [seenOpen] = useState(() => new Set<string>());
  for (const task of tasks) if (isOpen(task.state)) seenOpen.add(task.id);

  const messages = useMemo(
    () => (history.data?.pages ?? []).toReversed().flatMap((page): Message[] => page.items),
    [history.data],
  );
  const results = useMemo(() => resultsOf(messages), [messages]);
  const rows = useMemo(
    () =>
      rowsOf({
        tasks,
        plans,
        checkpoints,
        compactions,
        messages,
        participants: session.participants,
        live: turns,
        fold: (task) => folds[task.id] ?? firstFold(task, seenOpen),
        hasEarlier: history.hasNextPage,
      }),
    [
      tasks,
      plans,
      checkpoints,
      compactions,
      messages,
      session.participants,
      turns,
      folds,
      seenOpen,
      history.hasNextPage,
    ],
  );
  return { history, messages, results, rows };
}

/** The live turns at this moment, without following them. */
const liveNow = () => useLive.getState().turns;

/** Asked of the element itself: the list hears of a new size only after this. */
const isAtEnd = (element: HTMLElement): boolean =>
  element.scrollHeight - element.scrollTop - element.clientHeight <= END_PX;

/** How many messages came while the reader was elsewhere. */
function useUnread(count: number, atEnd: boolean): number {
  const [seen, setSeen] = useState(count);
  if (atEnd && seen !== count) setSeen(count);
  return atEnd ? 0 : Math.max(0, count - seen);
}

export function Transcript({
  session,
  tasks,
  plans,
  checkpoints,
  onOpenPlan,
  onAgain,
}: {
  session: Session;
  tasks: Task[];
  plans: Plan[];
  checkpoints: Checkpoint[];
  onOpenPlan(): void;
  onAgain(task: Task): void;
}) {
  const { history, messages, results, rows } = useConversation(session, tasks, plans, checkpoints);
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const settled = useRef(false);
  /** Where the view stood at the last scroll, and whether it has been moved up from there. */
  const height = useRef(0);
  const climbed = useRef(false);
  const [ready, setReady] = useState(false);

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => HEIGHTS[rows[index]?.kind ?? 'message'] ?? 32,
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 8,
    paddingEnd: 16,
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: END_PX,
  });

  const toEnd = useCallback(() => {
    virtual.scrollToEnd();
    setAtEnd(true);
  }, [virtual]);

  // The first rows are shown from their end; later growth in the middle must not push the end away.
  useLayoutEffect(() => {
    if (rows.length === 0) return;
    if (!settled.current || atEnd) virtual.scrollToEnd();
    settled.current = true;
    // Only then is it known which rows are on the screen.
    const frame = requestAnimationFrame(() => setReady(true));
    return () => cancelAnimationFrame(frame);
  }, [rows, atEnd, virtual]);

  // A question below makes the view shorter: who was at the end stays there.
  useEffect(() => {
    const element = scroller.current;
    if (!element || !atEnd) return undefined;
    const observer = new ResizeObserver(() => virtual.scrollToEnd());
    observer.observe(element);
    return () => observer.disconnect();
  }, [atEnd, virtual]);

  useEffect(() => {
    window.addEventListener(LATEST, toEnd);
    return () => window.removeEventListener(LATEST, toEnd);
  }, [toEnd]);

  const items = virtual.getVirtualItems();
  const firstShown = items[0]?.index ?? 0;
  // Messages may come before the tasks they are told under; until then little stands in the list.
  const placed = useMemo(() => {
    const known = new Set(tasks.map((task) => task.id));
    return messages.every((message) => !message.task || known.has(message.task));
  }, [messages, tasks]);
  const allShown = placed && items.length >= rows.length;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = history;
  useEffect(() => {
    const near = (scroller.current?.scrollTop ?? 0) < EARLIER_PX;
    // The view also stands at the beginning before it has found its end; only who climbed wants more.
    if (ready && near && (allShown || climbed.current) && hasNextPage && !isFetchingNextPage)
      void fetchNextPage();
  }, [ready, allShown, firstShown, hasNextPage, isFetchingNextPage, fetchNextPage]);

  const unread = useUnread(messages.length, atEnd);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label="Transcript"
        // Scrollable by keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        onScroll={(event) => {
          const element = event.currentTarget;
          const end = isAtEnd(element);
          if (!end && element.scrollTop < height.current) climbed.current = true;
          height.current = element.scrollTop;
          setAtEnd(end);
        }}
        className="focus-inset h-full overflow-y-auto overscroll-contain [overflow-anchor:none]"
      >
        {history.isPending && <Skeleton rows={8} />}
        {history.isError && !history.data && (
          <Trouble text={explain(history.error)} retry={() => void history.refetch()} />
        )}
        {!history.isPending && rows.length === 0 && (
          <Empty title="Nothing has been said yet">
            <p>Write below; Alt 1 to 4 choose who gets it.</p>
          </Empty>
        )}
        <div className="relative w-full" style={{ height: virtual.getTotalSize() }}>
          {/* Rows follow one another in the flow: one that grows pushes the next ones in the same frame. */}
          <div
            className="absolute inset-x-0 top-0 px-4"
            style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}
          >
            {items.map((item) => {
              const row = rows[item.index];
              return (
                row && (
                  <div
                    key={item.key}
                    data-index={item.index}
                    data-key={row.key}
                    ref={virtual.measureElement}
                    className="flow-root"
                  >
                    <RowView row={row} results={results} onOpenPlan={onOpenPlan} onAgain={onAgain} />
                  </div>
                )
              );
            })}
          </div>
        </div>
      </div>
      {!atEnd && (
        <button
          type="button"
          onClick={toEnd}
          className="rise absolute bottom-3 left-1/2 flex h-7 -translate-x-1/2 items-center gap-1.5 rounded-full border border-line bg-raised px-3 text-xs shadow-float hover:bg-hover"
        >
          <ArrowDown size={12} aria-hidden />
          {unread > 0 ? `${many(unread, 'new message')}` : 'Latest'}
        </button>
      )}
    </div>
  );
}
