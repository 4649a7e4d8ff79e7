/**
 * Who is at the session on the screen, this page among them, and who has its input.
 *
 * Invariant: what is shown is what the daemon said last, and who may write is the daemon's to say: the page names itself in what it
 * orders, and asks nobody else. A page has the input from the first key until it rests, leaves, or somebody takes it over.
 */
import { create } from 'zustand';
import { ApiError, client, once, take } from './client';
import type { AttachedClient, InputWish, Presences } from './nouns';

/** While somebody types, it is said so often; the daemon believes it for 6 s. */
export const TYPING_MS = 3000;
/** A page on which nobody types for so long gives the input back. */
export const REST_MS = 120_000;
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

/** A duplicated tab begins with what its original had kept; only one of the two keeps the id. */
export async function settleClient(): Promise<void> {
  if (!('locks' in navigator)) return;
  const free = await new Promise<boolean>((settled) => {
    const held = navigator.locks.request(`${KEPT_AS}.${clientId()}`, { ifAvailable: true }, (lock) => {
      settled(lock !== null);
      // For as long as the page is there.
      return lock === null ? undefined : new Promise<void>(() => undefined);
    });
    // Where there can be no locks nobody else has one.
    held.catch(() => settled(true));
  });
  if (free) return;
  own = fresh();
  await settleClient();
}

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

async function attach(session: string, input: InputWish = 'keep', typing = false): Promise<void> {
  const { heard } = usePresence.getState();
  const body = { client: clientId(), name: clientName(), typing, input };
  const there = await take(
    client.POST('/api/v1/sessions/{id}/attach', { params: { path: { id: session }, ...once() }, body }),
  );
  // What the stream said meanwhile is newer than this answer may be.
  if (usePresence.getState().heard === heard) usePresence.getState().hear(there);
}

function detach(session: string): void {
  const said = client.POST('/api/v1/sessions/{id}/detach', {
    params: { path: { id: session }, ...once() },
    body: { client: clientId() },
    // It is said to its end when the page is going away.
    keepalive: true,
  });
  // Unsaid it ends by itself, with the lease.
  take(said).catch(() => undefined);
}

/** The session is on the screen, until the function that is given back is called. */
export function watchClients(session: string): () => void {
  unrest();
  usePresence.setState({ session, clients: [] });
  const away = () => detach(session);
  window.addEventListener('pagehide', away);
  return () => {
    window.removeEventListener('pagehide', away);
    unrest();
    usePresence.setState({ session: null, clients: [] });
    away();
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
  const visits = usePresence.getState().session !== session;
  if (visits) await attach(session);
  try {
    return await order(clientId());
  } catch (fault) {
    // The daemon has begun anew since this page came.
    if (visits || !(fault instanceof ApiError) || fault.code !== 'not_attached') throw fault;
    await attach(session);
    return await order(clientId());
  } finally {
    if (visits) detach(session);
  }
}
