/** Who is at which session of the mock daemon, and who has its input; as the daemon does it, without leases. */
import type { AttachedClient, Frame, InputWish } from '../src/api/nouns';
import type { Answer } from './mock-routes';

interface Attachment {
  client: string;
  name: string;
  typing: boolean;
  input: InputWish;
}

export class Rooms {
  private readonly rooms = new Map<string, AttachedClient[]>();
  private readonly send: (frame: Frame) => void;

  constructor(send: (frame: Frame) => void) {
    this.send = send;
  }

  list(session: string): Answer {
    return { status: 200, body: { session, clients: this.rooms.get(session) ?? [] } };
  }

  attach(session: string, wish: Attachment): Answer {
    const clients = this.rooms.get(session) ?? [];
    const owner = clients.find((one) => one.owns_input);
    if (wish.input === 'claim' && owner && owner.client !== wish.client) {
      const error = {
        code: 'input_owned',
        message: `\`${owner.name}\` has the session's input`,
        hint: 'wait until it is released, or take it over',
      };
      return { status: 409, body: { error } };
    }
    const had = owner?.client === wish.client;
    const owns = wish.input === 'keep' ? had : wish.input !== 'release';
    const seat: AttachedClient = {
      client: wish.client,
      name: wish.name,
      owns_input: owns,
      typing: wish.typing,
    };
    const others = clients
      .filter((one) => one.client !== wish.client)
      .map((one) => ({ ...one, owns_input: one.owns_input && wish.input !== 'take_over' }));
    return this.tell(session, [...others, seat]);
  }

  detach(session: string, client: string): Answer {
    return this.tell(
      session,
      (this.rooms.get(session) ?? []).filter((one) => one.client !== client),
    );
  }

  private tell(session: string, clients: AttachedClient[]): Answer {
    this.rooms.set(session, clients);
    this.send({ type: 'presence', session, clients });
    return this.list(session);
  }
}
