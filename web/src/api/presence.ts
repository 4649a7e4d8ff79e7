/**
 * Who is at the session on the screen, this page among them, and who has its input.
 *
 * Invariant: what is shown is what the daemon said last, and who may write is the daemon's to say: the page names itself in what it
 * orders, and asks nobody else. A page has the input from the first key until it rests, leaves, or somebody takes it over.
 * What it says of itself is said one after the other, so that the last of it is what stands.
 */
import { create } from 'zustand';
import { ApiError, client, once, take } from './client';
import type { AttachedClient, InputWish, Presences } from './nouns';

/** While somebody types, it is said so often; the daemon believes it for 6 s. */
export const TYPING_MS = 3000;
/** A page on which nobody types for so long gives the input back. */
export const REST_MS = 120_000;
/** A page that is loaded again may ask for its lock before the browser has taken it from the page it was. */
export const RELOAD_MS = 100;
const KEPT_AS = 'coditect.client';

function recalled(): string | null {
  try {
    return sessionStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}

function fresh(): string {
  const made = crypto.randomUUID();
  try {
    sessionStorage.setItem(KEPT_AS, made);
  } catch {
    // It is the same for as long as the page is there.
  }
  return made;
}

let own: string | null = null;

/** This page, and no other tab. A reload stays the same. */
export function clientId(): string {
  own ??= recalled() ?? fresh();
  return own;
}

/** Whether nobody else had the lock of the page's id; this page has it from now on. */
function holdId(): Promise<boolean> {
  return new Promise((settled) => {
    const held = navigator.locks.request(`${KEPT_AS}.${clientId()}`, { ifAvailable: true }, (lock) => {
      settled(lock !== null);
      // For as long as the page is there.
      return lock === null ? undefined : new Promise<void>(() => undefined);
    });
    // Where there can be no locks nobody else has one.
    held.catch(() => settled(true));
  });
}

async function settle(): Promise<void> {
  if (!('locks' in navigator) || (await holdId())) return;
  await new Promise((later) => setTimeout(later, RELOAD_MS));
  while (!(await holdId())) own = fresh();
}

let settling: Promise<void> | undefined;

/** A duplicated tab begins with what its original had kept; only one of the two keeps the id. Asked again, it is the same answer. */
export const settleClient = (): Promise<void> => (settling ??= settle());

const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac', 'Linux'];

/** What others see: enough to tell two windows of one machine apart. */
export function clientName(): string {
  const system = SYSTEMS.find((one) => navigator.userAgent.includes(one));
  return `page ${clientId().slice(0, 4)}${system ? ` on ${system}` : ''}`;
}

interface Attached {
  /** The session on the screen. */
  session: string | null;
  clients: AttachedClient[];
  /** Counts what was heard, to tell what was asked before a word from what came after it. */
  heard: number;
  hear(there: Presences): void;
}

export const usePresence = create<Attached>()((set) => ({
  session: null,
  clients: [],
  heard: 0,
  hear({ session, clients }) {
    set((state) => (state.session === session ? { clients, heard: state.heard + 1 } : state));
  },
}));

export const ownerOf = (clients: AttachedClient[]) => clients.find((one) => one.owns_input);

let saidAt = 0;
let resting: ReturnType<typeof setTimeout> | undefined;

function unrest(): void {
  clearTimeout(resting);
  saidAt = 0;
}

function rest(session: string): void {
  clearTimeout(resting);
  resting = setTimeout(() => void attach(session, 'release').catch(() => undefined), REST_MS);
}

/** How many orders in the name of this page are under way, of each session. */
const visits = new Map<string, number>();
const isShown = (session: string) => usePresence.getState().session === session;

let last: Promise<unknown> = Promise.resolve();

/** Two requests may overtake each other on the way; so each waits for what came of the one before. */
function inTurn<R>(say: () => Promise<R>): Promise<R> {
  const said = last.then(say);
  last = said.catch(() => undefined);
  return said;
}

const attach = (session: string, input: InputWish = 'keep', typing = false): Promise<void> =>
  inTurn(async () => {
    // What was wished while the session was left holds nothing there.
    if (isShown(session) || visits.has(session)) await sayAttached(session, input, typing);
  });

async function sayAttached(session: string, input: InputWish, typing: boolean): Promise<void> {
  const { heard } = usePresence.getState();
  const body = { client: clientId(), name: clientName(), typing, input };
  const there = await take(
    client.POST('/api/v1/sessions/{id}/attach', { params: { path: { id: session }, ...once() }, body }),
  );
  // What the stream said meanwhile is newer than this answer may be.
  if (usePresence.getState().heard === heard) usePresence.getState().hear(there);
}

/** Unsaid it ends by itself, with the lease. */
async function sayDetached(session: string): Promise<void> {
  const said = client.POST('/api/v1/sessions/{id}/detach', {
    params: { path: { id: session }, ...once() },
    body: { client: clientId() },
    // It is said to its end when the page is going away.
    keepalive: true,
  });
  await take(said).catch(() => undefined);
}

/** The session is left. An order under way there still needs the seat, and is the one to give it back; not the input. */
function leave(session: string): void {
  if (visits.has(session)) void attach(session, 'release').catch(() => undefined);
  else void inTurn(() => sayDetached(session));
}

/** The session is on the screen, until the function that is given back is called. */
export function watchClients(session: string): () => void {
  unrest();
  usePresence.setState({ session, clients: [] });
  // A page that goes away waits for nothing any more.
  const away = () => void sayDetached(session);
  window.addEventListener('pagehide', away);
  return () => {
    window.removeEventListener('pagehide', away);
    unrest();
    usePresence.setState({ session: null, clients: [] });
    leave(session);
  };
}

/** Says that this page is at the session; the stream keeps it there. What was attached before a restart is so no more. */
export const comeBack = (session: string): void => void attach(session).catch(() => undefined);

/** Somebody types: that is told, and claims the input when nobody has it. */
export function typed(session: string): void {
  const { session: here, clients } = usePresence.getState();
  if (here !== session) return;
  const owner = ownerOf(clients);
  if (owner === undefined || owner.client === clientId()) rest(session);
  if (Date.now() - saidAt < TYPING_MS) return;
  saidAt = Date.now();
  attach(session, owner === undefined ? 'claim' : 'keep', true).catch(() => {
    // Somebody was quicker; who it is comes by the stream.
    comeBack(session);
  });
}

export async function takeOver(session: string): Promise<void> {
  rest(session);
  await attach(session, 'take_over');
}

export async function giveBack(session: string): Promise<void> {
  unrest();
  await attach(session, 'release');
}

/** Runs an order in the name of this page, which is at the session for at least as long. */
export async function inClient<R>(session: string, order: (client: string) => Promise<R>): Promise<R> {
  visits.set(session, (visits.get(session) ?? 0) + 1);
  try {
    if (!isShown(session)) await attach(session);
    return await order(clientId());
  } catch (fault) {
    // The daemon has begun anew since this page came.
    if (!(fault instanceof ApiError) || fault.code !== 'not_attached') throw fault;
    await attach(session);
    return await order(clientId());
  } finally {
    const others = (visits.get(session) ?? 1) - 1;
    if (others > 0) visits.set(session, others);
    else visits.delete(session);
    // Meanwhile it may be on the screen.
    if (others === 0 && !isShown(session)) leave(session);
  }
}
