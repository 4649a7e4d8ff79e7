import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { Tooltip } from 'radix-ui';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { goAhead } from '@/api/first-look';
import type { AttachedClient } from '@/api/nouns';
import { clientId, usePresence } from '@/api/presence';
import { Clients, standing } from './clients';

const HERE = 'ses_here';
const asked: Record<string, unknown>[] = [];
const seat = (client: string, more: Partial<AttachedClient> = {}): AttachedClient => ({
  client,
  name: client,
  owns_input: false,
  typing: false,
  ...more,
});

function show(...clients: AttachedClient[]) {
  usePresence.setState({ session: HERE, clients });
  return render(
    <Tooltip.Provider>
      <Clients session={HERE} />
    </Tooltip.Provider>,
  );
}

beforeEach(() => {
  goAhead();
  asked.length = 0;
  vi.stubGlobal('fetch', async (request: Request) => {
    const body = (await request.json()) as { client: string; name: string; input: string };
    asked.push(body);
    const mine = seat(body.client, { owns_input: body.input === 'take_over' });
    return Response.json({ session: HERE, clients: [seat('phone'), mine] });
  });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  usePresence.setState({ session: null, clients: [] });
});

it('says who has the input, or who else is here', () => {
  const [me, phone] = [seat('me'), seat('phone')];
  const has = { owns_input: true };
  expect(standing([{ ...me, ...has }, phone], 'me')).toBe('You have the input');
  expect(standing([me, { ...phone, ...has }], 'me')).toBe('phone has the input');
  expect(standing([me, { ...phone, ...has, typing: true }], 'me')).toBe('phone types and has the input');
  expect(standing([me, phone], 'me')).toBe('phone is here too');
  expect(standing([me, phone, seat('tv')], 'me')).toBe('2 others are here');
});

it('says nothing to whoever is alone, or of another session', () => {
  expect(show(seat(clientId(), { owns_input: true })).container.innerHTML).toBe('');
  cleanup();
  usePresence.setState({ session: 'ses_other', clients: [seat('phone')] });
  expect(render(<Clients session={HERE} />).container.innerHTML).toBe('');
});

it('takes the input over and gives it back', async () => {
  show(seat('phone', { owns_input: true }), seat(clientId()));
  expect(screen.getByRole('status').textContent).toBe('phone has the input');
  fireEvent.click(screen.getByRole('button', { name: 'Take over' }));
  await screen.findByText('You have the input');
  fireEvent.click(screen.getByRole('button', { name: 'Give back' }));
  await screen.findByText('phone is here too');
  expect(asked.map((one) => one.input)).toEqual(['take_over', 'release']);
  expect(asked[0]).toMatchObject({ client: clientId() });
});

it('hears who comes and who takes it', async () => {
  show(seat(clientId(), { owns_input: true }), seat('phone'));
  const clients = [seat(clientId()), seat('phone', { owns_input: true })];
  act(() => usePresence.getState().hear({ session: HERE, clients }));
  await waitFor(() => expect(screen.getByRole('status').textContent).toBe('phone has the input'));
  expect(screen.getByRole('button', { name: 'Take over' })).toBeDefined();
});
