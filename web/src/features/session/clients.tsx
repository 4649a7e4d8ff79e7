/** Who else is at the session, who has its input, and the way to have it. Alone, nobody needs to be told. */
import { Users } from 'lucide-react';
import { useEffect } from 'react';
import { useConnection } from '@/api/connection';
import { explain } from '@/api/mutations';
import type { AttachedClient } from '@/api/nouns';
import { clientId, comeBack, giveBack, ownerOf, takeOver, usePresence, watchClients } from '@/api/presence';
import { keysOf } from '@/app/commands';
import { Button } from '@/components/button';
import { Tip } from '@/components/tip';
import { say } from '@/components/toast';

/** This page is at the session for as long as it shows it, also after the daemon has begun anew. */
export function useAttached(session: string): void {
  const phase = useConnection((connection) => connection.phase);
  useEffect(() => watchClients(session), [session]);
  useEffect(() => {
    if (phase === 'live') comeBack(session);
  }, [session, phase]);
}

/** Who has the input, in a sentence; else who else is there. */
export function standing(clients: AttachedClient[], me: string): string {
  const owner = ownerOf(clients);
  if (owner?.client === me) return 'You have the input';
  if (owner) return `${owner.name} ${owner.typing ? 'types and has' : 'has'} the input`;
  const others = clients.filter((one) => one.client !== me);
  const [first, ...more] = others;
  if (!first) return '';
  return more.length === 0 ? `${first.name} is here too` : `${others.length} others are here`;
}

const NONE: AttachedClient[] = [];

export function Clients({ session }: { session: string }) {
  const clients = usePresence((state) => (state.session === session ? state.clients : NONE));
  const me = clientId();
  const others = clients.filter((one) => one.client !== me);
  if (others.length === 0) return null;
  const mine = ownerOf(clients)?.client === me;
  const order = (deed: Promise<void>) => void deed.catch((fault) => say(explain(fault), 'problem'));
  return (
    <span role="group" aria-label="Who is here" className="flex min-w-0 items-center gap-1.5 text-xs">
      <Users size={12} aria-hidden className="shrink-0 text-muted" />
      <span role="status" className="truncate text-muted" title={others.map((one) => one.name).join(', ')}>
        {standing(clients, me)}
      </span>
      {mine ? (
        <Button size="sm" className="shrink-0" onClick={() => order(giveBack(session))}>
          Give back
        </Button>
      ) : (
        <Tip text="Write here; the others wait" keys={keysOf('session.input')}>
          <Button size="sm" className="shrink-0" onClick={() => order(takeOver(session))}>
            Take over
          </Button>
        </Tip>
      )}
    </span>
  );
}
