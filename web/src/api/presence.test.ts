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
  RELOAD_MS,
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
let answer: () => Response | Promise<Response>;

const seat = (client: string, owns_input = false): AttachedClient => ({
  client,
  name: client,
  owns_input,
  typing: false,
});
const hear = (...clients: AttachedClient[]) => usePresence.getState().hear({ session: HERE, clients });
const said = () => asked.map(({ url }) => url.split('/').slice(-2).join(' '));
const notAttached = () => new ApiError(409, 'not_attached', 'not attached', null, null);
/** Keeps the next answer back until it is let go. */
function held(): () => void {
  const usual = answer;
  let go: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => (go = resolve));
  answer = async () => {
    answer = usual;
    await gone;
    return usual();
  };
  return go;
}
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
  const lost = notAttached();
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

it('leaves after what it said before, however long that takes', async () => {
  const leave = watchClients(HERE);
  const go = held();
  typed(HERE);
  await settled();
  leave();
  await settled();
  expect(said()).toEqual([`${HERE} attach`]);
  go();
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} detach`]);
});

it('does not come back to what was left when its claim is refused', async () => {
  const leave = watchClients(HERE);
  const usual = answer;
  answer = () => {
    answer = usual;
    leave();
    return Response.json({ error: { code: 'input_owned', message: 'owned' } }, { status: 409 });
  };
  typed(HERE);
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} detach`]);
});

it('steps through sessions and is at the last one', async () => {
  const leave = watchClients(HERE);
  const go = held();
  comeBack(HERE);
  await settled();
  leave();
  const leaveOther = watchClients('ses_other');
  comeBack('ses_other');
  go();
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} detach`, 'ses_other attach']);
  leaveOther();
  await settled();
  expect(said().at(-1)).toBe('ses_other detach');
});

it('stays where a visit was when the session is opened meanwhile', async () => {
  let done: () => void = () => undefined;
  const visit = inClient(HERE, () => new Promise<void>((resolve) => (done = resolve)));
  await settled();
  const leave = watchClients(HERE);
  comeBack(HERE);
  done();
  await visit;
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} attach`]);
  leave();
  await settled();
  expect(said().at(-1)).toBe(`${HERE} detach`);
});

it('keeps its seat, not the input, until an order is answered whose session was left', async () => {
  const leave = watchClients(HERE);
  let done: () => void = () => undefined;
  const order = inClient(HERE, () => new Promise<void>((resolve) => (done = resolve)));
  leave();
  await settled();
  expect(wishes()).toEqual([['attach', 'release', false]]);
  done();
  await order;
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} detach`]);
});

it('leaves with the last of several visits, and comes back for each that finds it gone', async () => {
  const ends: (() => void)[] = [];
  const visit = () => inClient(HERE, () => new Promise<void>((resolve) => ends.push(resolve)));
  const both = [visit(), visit()];
  await settled();
  ends[0]?.();
  await both[0];
  await settled();
  expect(said()).toEqual([`${HERE} attach`, `${HERE} attach`]);
  const order = vi.fn<() => Promise<string>>().mockRejectedValueOnce(notAttached()).mockResolvedValue('done');
  expect(await inClient(HERE, order)).toBe('done');
  ends[1]?.();
  await both[1];
  await settled();
  expect(said().slice(2)).toEqual([`${HERE} attach`, `${HERE} attach`, `${HERE} detach`]);
});

/** A page of its own whose id is asked for at `navigator.locks`: it is given when `free` says so. */
async function page(free: (name: string) => boolean) {
  const requested: string[] = [];
  const request = async (name: string, _: object, keep: (lock: object | null) => unknown) => {
    requested.push(name);
    // Whoever gets it keeps it.
    await keep(free(name) ? {} : null);
  };
  vi.stubGlobal('navigator', { userAgent: 'Linux', locks: { request } });
  vi.resetModules();
  return { requested, ...(await import('./presence')) };
}

it('keeps its id when the page it was lets go of the lock a moment later, and asks once however often it is mounted', async () => {
  let free = false;
  const { clientId: id, requested, settleClient } = await page(() => free);
  const before = id();
  const both = Promise.all([settleClient(), settleClient()]);
  await vi.advanceTimersByTimeAsync(RELOAD_MS - 1);
  free = true;
  await vi.advanceTimersByTimeAsync(1);
  await both;
  await settleClient();
  expect(id()).toBe(before);
  expect(requested).toEqual([`coditect.client.${before}`, `coditect.client.${before}`]);
});

it('is another page than the tab it was duplicated from', async () => {
  let taken = '';
  const { clientId: id, requested, settleClient } = await page((name) => name !== taken);
  const before = id();
  taken = `coditect.client.${before}`;
  const settling = settleClient();
  await vi.advanceTimersByTimeAsync(RELOAD_MS);
  await settling;
  expect(id()).not.toBe(before);
  expect(requested).toEqual([taken, taken, `coditect.client.${id()}`]);
  expect(sessionStorage.getItem('coditect.client')).toBe(id());
});

it('keeps its id where there are no locks', async () => {
  const { clientId: id, settleClient } = await page(() => true);
  vi.stubGlobal('navigator', { userAgent: 'Linux' });
  const before = id();
  await settleClient();
  expect(id()).toBe(before);
});
