import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { goAhead } from '@/api/first-look';
import { clientId, usePresence } from '@/api/presence';
import { Builder } from '../../../e2e/builder';
import { AnswerBox } from '@/features/task/answer';
import { Composer } from './composer';
import { flushDrafts, readDraft, useTargets } from './drafts';

const b = new Builder(Date.now());
const session = b.session(
  'One',
  'idle',
  1,
  [
    ['claude', 'idle', 1],
    ['gemini', 'idle', 1],
  ],
  0,
);
const asked: { url: string; body: unknown; key: string | null }[] = [];

function daemon(status: number, body: unknown) {
  vi.stubGlobal('fetch', async (request: Request) => {
    if (request.method === 'GET') return Response.json({ items: [], next: null });
    const url = new URL(request.url).pathname;
    if (url.endsWith('/attach')) return Response.json({ session: session.id, clients: [] });
    asked.push({
      url,
      body: await request.json(),
      key: request.headers.get('idempotency-key'),
    });
    return Response.json(body, { status });
  });
}

function show(what: React.ReactNode) {
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      {what}
    </QueryClientProvider>,
  );
}
const field = () => screen.getByLabelText<HTMLTextAreaElement>('Message');
const type = (text: string) => fireEvent.change(field(), { target: { value: text } });

beforeEach(() => {
  goAhead();
  asked.length = 0;
  flushDrafts();
  localStorage.clear();
  useTargets.setState({ of: {} });
  // The page shows the session, as it does around a composer.
  usePresence.setState({ session: session.id });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('the composer', () => {
  it('sends to the chosen agents, once, and is empty at once', async () => {
    daemon(201, {});
    show(<Composer session={session} />);
    fireEvent.click(screen.getByRole('button', { name: 'Gemini' }));
    type('hello');
    fireEvent.keyDown(field(), { key: 'Enter', ctrlKey: true });
    fireEvent.keyDown(field(), { key: 'Enter', ctrlKey: true });
    expect(field().value).toBe('');
    await waitFor(() => expect(asked).toHaveLength(1));
    expect(asked[0]).toMatchObject({
      url: `/api/v1/sessions/${session.id}/messages`,
      body: { text: 'hello', targets: ['gemini'], client: clientId() },
      key: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('gives the words back when they are refused, and says why', async () => {
    daemon(429, { error: { code: 'queue_full', message: 'the queue is full', hint: 'wait a little' } });
    show(<Composer session={session} />);
    type('hello');
    fireEvent.click(screen.getByRole('button', { name: /Send/ }));
    await screen.findByRole('alert');
    expect(screen.getByRole('alert').textContent).toBe('The queue is full. Wait a little.');
    expect(field().value).toBe('hello');
    expect(readDraft(session.id)).toBe('hello');
  });

  it('begins a plan in one checkout, or in worktrees when that is ticked', async () => {
    daemon(201, {});
    show(<Composer session={{ ...session, repo: 'rep_1' }} />);
    expect(screen.queryByLabelText('Worktrees')).toBeNull();
    fireEvent.click(screen.getByLabelText('Coordinate'));
    for (const worktrees of [false, true]) {
      if (worktrees) fireEvent.click(screen.getByLabelText('Worktrees'));
      type('paint it');
      fireEvent.keyDown(field(), { key: 'Enter', ctrlKey: true });
      await waitFor(() => expect(asked.at(-1)).toMatchObject({ body: { prompt: 'paint it', worktrees } }));
      await waitFor(() => expect(screen.getByRole('button', { name: /^Send/ })).toBeDefined());
    }
    expect(asked.map(({ url }) => url)).toEqual(Array(2).fill(`/api/v1/sessions/${session.id}/plans`));
  });

  it('makes a new line on Enter alone and sends nothing', () => {
    daemon(201, {});
    show(<Composer session={session} />);
    type('hello');
    fireEvent.keyDown(field(), { key: 'Enter' });
    expect(asked).toEqual([]);
  });

  it('is left by Esc, with everything still in it', () => {
    show(<Composer session={session} />);
    field().focus();
    type('half a thought');
    fireEvent.keyDown(field(), { key: 'Escape' });
    expect(document.activeElement).not.toBe(field());
    expect(field().value).toBe('half a thought');
  });

  it('has the draft of its session when it comes back', () => {
    show(<Composer session={session} />);
    type('come back');
    cleanup();
    show(<Composer session={session} />);
    expect(field().value).toBe('come back');
  });
});

describe('the answer box', () => {
  const task = b.task(session, 'work', 'Asks', ['claude'], 'input_required', 1, {
    question: {
      session: session.id,
      task: 't',
      turn: 'u',
      participant: session.participants[0]!.id,
      question: 'Which one?',
    },
  });

  it('shows the question as its label and sends the answer on Enter', async () => {
    daemon(200, {});
    show(<AnswerBox task={task} />);
    const box = screen.getByLabelText<HTMLTextAreaElement>('Which one?');
    fireEvent.keyDown(box, { key: 'Enter' });
    expect(asked).toEqual([]);
    fireEvent.change(box, { target: { value: ' the left one ' } });
    fireEvent.keyDown(box, { key: 'Enter' });
    await waitFor(() =>
      expect(asked[0]).toMatchObject({ body: { answer: 'the left one', client: clientId() } }),
    );
    await waitFor(() => expect(box.value).toBe(''));
  });

  it('keeps the answer when it is refused', async () => {
    daemon(409, { error: { code: 'conflict', message: 'already answered', hint: null } });
    show(<AnswerBox task={task} />);
    const box = screen.getByLabelText<HTMLTextAreaElement>('Which one?');
    fireEvent.change(box, { target: { value: 'mine' } });
    fireEvent.keyDown(box, { key: 'Enter' });
    await waitFor(() => expect(asked).toHaveLength(1));
    expect(box.value).toBe('mine');
  });
});
