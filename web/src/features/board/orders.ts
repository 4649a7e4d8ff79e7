/** What the page can ask the daemon to do with boards. The daemon decides what a drop sets off; the page only says where. */
import type { components } from '@/api/generated';
import { client, once, take } from '@/api/client';
import { useOrder } from '@/api/mutations';
import { keys } from '@/api/queries';

type Schemas = components['schemas'];

const stale = () => [keys.boards, keys.everyBoard];

export const useCreateBoard = () =>
  useOrder(
    (name: string) => take(client.POST('/api/v1/boards', { params: once(), body: { name } })),
    () => [keys.boards],
  );

export const usePlaceCard = () =>
  useOrder(
    ({ board, ...body }: { board: string } & Schemas['NewCard']) =>
      take(client.POST('/api/v1/boards/{id}/cards', { params: { path: { id: board }, ...once() }, body })),
    stale,
  );

export const useChangeCard = () =>
  useOrder(
    ({ card, ...body }: { card: string } & Schemas['CardPatch']) =>
      take(client.PATCH('/api/v1/cards/{id}', { params: { path: { id: card }, ...once() }, body })),
    stale,
  );

export const useAnswerCard = () =>
  useOrder(
    ({ card, confirm }: { card: string; confirm: boolean }) =>
      take(
        client.POST('/api/v1/cards/{id}/answer', {
          params: { path: { id: card }, ...once() },
          body: { confirm },
        }),
      ),
    stale,
  );

export const useRemoveCard = () =>
  useOrder(
    (card: string) =>
      take(client.DELETE('/api/v1/cards/{id}', { params: { path: { id: card }, ...once() } })),
    stale,
  );

export const usePlaceZone = () =>
  useOrder(
    ({ board, ...body }: { board: string } & Schemas['NewZone']) =>
      take(client.POST('/api/v1/boards/{id}/zones', { params: { path: { id: board }, ...once() }, body })),
    stale,
  );

export const useChangeZone = () =>
  useOrder(
    ({ zone, ...body }: { zone: string } & Schemas['ZonePatch']) =>
      take(client.PATCH('/api/v1/zones/{id}', { params: { path: { id: zone }, ...once() }, body })),
    stale,
  );

export const useRemoveZone = () =>
  useOrder(
    (zone: string) =>
      take(client.DELETE('/api/v1/zones/{id}', { params: { path: { id: zone }, ...once() } })),
    stale,
  );

export const useComment = () =>
  useOrder(
    ({ board, ...body }: { board: string } & Schemas['NewComment']) =>
      take(client.POST('/api/v1/boards/{id}/comments', { params: { path: { id: board }, ...once() }, body })),
    stale,
  );

export const useResolve = () =>
  useOrder(
    ({ comment, resolved }: { comment: string; resolved: boolean }) =>
      take(
        client.PATCH('/api/v1/comments/{id}', {
          params: { path: { id: comment }, ...once() },
          body: { resolved },
        }),
      ),
    stale,
  );
