import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { Tooltip } from 'radix-ui';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { makeWorld } from '../../../e2e/fixture';
import { goAhead } from '@/api/first-look';
import type { Plan } from '@/api/nouns';
import { Confirm } from '@/app/confirm';
import { PlanView } from './plan';

const [open] = makeWorld(Date.UTC(2026, 0, 31), 25).plans;
if (!open) throw new Error('the fixture has a plan');
const asked: string[] = [];

function show(plan: Plan) {
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <Tooltip.Provider>
        <PlanView plans={[plan]} tasks={[]} />
        <Confirm />
      </Tooltip.Provider>
    </QueryClientProvider>,
  );
}

beforeEach(() => {
  goAhead();
  asked.length = 0;
  vi.stubGlobal('fetch', async (request: Request) => {
    if (request.method === 'GET') return Response.json({ items: [], next: null });
    asked.push(new URL(request.url).pathname);
    return Response.json(open);
  });
  // The tests' DOM knows no modal dialogs.
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
    this.open = false;
  };
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it('cancels a plan once somebody is sure, and not before', async () => {
  show(open);
  const button = screen.getByRole('button', { name: 'Cancel plan' });
  fireEvent.click(button);
  fireEvent.click(await screen.findByRole('button', { name: 'Keep going' }));
  await waitFor(() => expect(screen.queryByRole('button', { name: 'Keep going' })).toBeNull());
  expect(asked).toEqual([]);
  fireEvent.click(button);
  fireEvent.click(await screen.findByRole('button', { name: 'Cancel the plan' }));
  await waitFor(() => expect(asked).toEqual([`/api/v1/plans/${open.id}/cancel`]));
});

it('has nothing to cancel in a plan that has ended', () => {
  show({ ...open, state: 'failed', text: 'canceled by the user' });
  expect(screen.queryByRole('button', { name: 'Cancel plan' })).toBeNull();
});

it('names the worktrees that stay, where they are and why', () => {
  const kept = [
    { worktree: 'wtr_1', name: 'plan-x-kimi', path: '/srv/w/plan-x-kimi', reason: '2 files are new' },
  ];
  show({ ...open, worktrees: true, state: 'completed', kept });
  const stays = within(screen.getByRole('listitem', { name: /plan-x-kimi/ }));
  expect(stays.getByText('/srv/w/plan-x-kimi')).toBeDefined();
  expect(stays.getByText('2 files are new')).toBeDefined();
  cleanup();
  show({ ...open, worktrees: true, state: 'executing' });
  expect(screen.getByText('Each agent works in a worktree of its own.')).toBeDefined();
});
