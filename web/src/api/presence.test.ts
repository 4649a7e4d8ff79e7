import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { goAhead } from './first-look';
import type { AttachedClient } from './nouns';
import {
  clientId,
  clientName,
  comeBack,
  giveBack,
  inClient,
  ownerOf,
  REST_MS,
  takeOver,
  typed,
  TYPING_MS,
  usePresence,
  watchClients,
} from './presence';
import { ApiError } from './client';

const HERE = 'ses_here';
const asked: { url: string; body: Record<string, unknown> }[] = [];
const wishes = () => asked.map(({ url, body }) => [url.split('/').at(-1), body.input, body.typing]);
let answer: () => Response;

const seat = (client: string, owns_input = false): AttachedClient => ({
  client,
  name: client,
  owns_input,
  typing: false,
});
const hear = (...clients: AttachedClient[]) => usePresence.getState().hear({ session: HERE, clients });
/** Lets what was sent come back. */
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  goAhead();
  asked.length = 0;
  answer = () => Response.json({ session: HERE, clients: [seat(clientId())] });
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push({
      url: new URL(request.url).pathname,
      body: (await request.json()) as Record<string, unknown>,
    });
    return answer();
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('is one page for as long as the tab lives, with a name that tells windows apart', () => {
  expect(clientId()).toMatch(/^[0-9a-f-]{36}$/);
  expect(clientId()).toBe(clientId());
  expect(sessionStorage.getItem('coditect.client')).toBe(clientId());
  expect(clientName()).toMatch(new RegExp(`^page ${clientId().slice(0, 4)}( on \\w+)?$`));
});

it('comes to the session that is shown, and leaves it', async () => {
  const leave = watchClients(HERE);
  comeBack(HERE);
  await settled();
  expect(usePresence.getState().clients).toEqual([seat(clientId())]);
  leave();
  await settled();
  expect(usePresence.getState()).toMatchObject({ session: null, clients: [] });
  expect(wishes()).toEqual([
    ['attach', 'keep', false],
    ['detach', undefined, undefined],
  ]);
});

it('leaves when the page goes away', async () => {
  const leave = watchClients(HERE);
  window.dispatchEvent(new Event('pagehide'));
  await settled();
  expect(asked.map(({ url }) => url)).toEqual([`/api/v1/sessions/${HERE}/detach`]);
  leave();
});

it('claims the input with the first key, says so now and then, and gives it back when it rests', async () => {
  const leave = watchClients(HERE);
  typed(HERE);
  typed(HERE);
  await settled();
  expect(wishes()).toEqual([['attach', 'claim', true]]);
  hear(seat(clientId(), true));
  await vi.advanceTimersByTimeAsync(TYPING_MS);
  typed(HERE);
  await settled();
  expect(wishes().at(-1)).toEqual(['attach', 'keep', true]);
  await vi.advanceTimersByTimeAsync(REST_MS - 1);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(wishes().at(-1)).toEqual(['attach', 'release', false]);
  leave();
});

it('takes nothing from whoever has the input by typing, only when it is told to', async () => {
  const leave = watchClients(HERE);
  hear(seat('phone', true), seat(clientId()));
  typed(HERE);
  await settled();
  expect(wishes()).toEqual([['attach', 'keep', true]]);
  await takeOver(HERE);
  await giveBack(HERE);
  expect(wishes().slice(1)).toEqual([
    ['attach', 'take_over', false],
    ['attach', 'release', false],
  ]);
  await vi.advanceTimersByTimeAsync(REST_MS);
  expect(asked).toHaveLength(3);
  leave();
});

it('types nowhere but at the session on the screen', async () => {
  typed(HERE);
  await settled();
  expect(asked).toEqual([]);
});

it('believes the stream, not an answer that was asked for before', async () => {
  const leave = watchClients(HERE);
  answer = () => {
    hear(seat('phone', true), seat(clientId()));
    return Response.json({ session: HERE, clients: [seat(clientId(), true)] });
  };
  comeBack(HERE);
  await settled();
  expect(ownerOf(usePresence.getState().clients)?.client).toBe('phone');
  usePresence.getState().hear({ session: 'ses_other', clients: [] });
  expect(usePresence.getState().clients).toHaveLength(2);
  leave();
});

it('orders in its own name, and comes back first when the daemon has begun anew', async () => {
  const leave = watchClients(HERE);
  const lost = new ApiError(409, 'not_attached', 'not attached', null, null);
  const order = vi
    .fn<(client: string) => Promise<string>>()
    .mockRejectedValueOnce(lost)
    .mockResolvedValue('done');
  expect(await inClient(HERE, order)).toBe('done');
  expect(order.mock.calls).toEqual([[clientId()], [clientId()]]);
  expect(wishes()).toEqual([['attach', 'keep', false]]);
  const owned = new ApiError(409, 'input_owned', 'owned', null, null);
  await expect(inClient(HERE, () => Promise.reject(owned))).rejects.toBe(owned);
  leave();
});

it('visits a session that is not on the screen, and leaves it whatever comes of it', async () => {
  const fault = new ApiError(409, 'no_question', 'nobody asks', null, null);
  await expect(inClient(HERE, () => Promise.reject(fault))).rejects.toBe(fault);
  await settled();
  expect(wishes()).toEqual([
    ['attach', 'keep', false],
    ['detach', undefined, undefined],
  ]);
});
