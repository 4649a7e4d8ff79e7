import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';
import type { Notice, Receipt } from '@/api/nouns';
import { keys } from '@/api/queries';
import { NoticeEnvelope, tally } from './envelope';
import { readable } from './feed';

afterEach(cleanup);

const plain: Notice = {
  id: 7,
  sender: 'reg_1',
  agent: 'claude',
  channel: 'review',
  recipient: null,
  payload: { text: 'look' },
  created_at: new Date().toISOString(),
  ttl_seconds: 300,
  audience: [],
  thread: null,
  priority: 0,
  reply_to: null,
  ack_seconds: null,
  ack_attempts: null,
};

const receipt = (acked: boolean, dead = false): Receipt => ({
  registration: 'reg_2',
  delivered: true,
  seen_at: null,
  acked_at: acked ? new Date().toISOString() : null,
  attempts: 1,
  dead,
});

function show(notice: Notice, receipts: Receipt[] = []) {
  const cache = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } });
  cache.setQueryData(keys.receipts(notice.id), { items: receipts, next: null });
  const onThread = vi.fn();
  render(
    <QueryClientProvider client={cache}>
      <NoticeEnvelope notice={notice} onThread={onThread} />
    </QueryClientProvider>,
  );
  return onThread;
}

it('says nothing about a notice that carries nothing else', () => {
  show(plain);
  expect(document.body.textContent).toBe('');
});

it('shows thread, priority, what it answers and who answered', () => {
  const notice = { ...plain, thread: 'parser', priority: 3, reply_to: 5, ack_seconds: 60 };
  const onThread = show(notice, [receipt(true), receipt(false)]);
  expect(document.body.textContent).toBe('priority 3parseranswers 51 of 2 acknowledged');
  fireEvent.click(screen.getByRole('button', { name: 'Thread parser' }));
  expect(onThread).toHaveBeenCalledWith('parser');
});

it('counts answers, and tells those nobody will give', () => {
  expect(tally([receipt(true)])).toEqual({ text: 'acknowledged', all: true, lost: false });
  expect(tally([receipt(false), receipt(true)]).text).toBe('1 of 2 acknowledged');
  expect(tally([receipt(false, true), receipt(true)])).toEqual({
    text: '1 of 2 acknowledged, 1 given up',
    all: false,
    lost: true,
  });
});

it('reads a conflict as a sentence', () => {
  const payload = { file: 'src/a.rs', held: 'src/*.rs', agents: ['claude', 'kimi'], mode: 'exclusive' };
  expect(readable(payload)).toBe('claude wants src/a.rs, kimi holds src/*.rs');
});
