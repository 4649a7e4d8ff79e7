/**
 * The frame around every screen: rail, centre, status bar, overlays. Owns the one stream and the one key binding.
 * Reconnecting never remounts anything in here.
 */
import { useQueryClient } from '@tanstack/react-query';
import { Outlet, useNavigate, useParams, useRouter } from '@tanstack/react-router';
import { Tooltip } from 'radix-ui';
import { lazy, Suspense, useEffect, useMemo } from 'react';
import { API, client, take } from '@/api/client';
import { useConnection } from '@/api/connection';
import { Effects } from '@/api/effects';
import { goAhead, listening } from '@/api/first-look';
import { fetchRecentActivity } from '@/api/recent';
import { clientId, settleClient } from '@/api/presence';
import { createStream, type Socket } from '@/api/stream';
import { Dialog } from '@/components/dialog';
import { Toasts } from '@/components/toast';
import { bindKeys } from './bind';
import { Confirm } from './confirm';
import { arrive, createDeeds, RAIL_FITS } from './deeds';
import { DeedsContext } from './deeds-context';
import { Rail } from './rail';
import { SignedOut } from './signed-out';
import { Splitter, usePane } from './splitter';
import { StatusBar } from './status-bar';
import { useMedia } from './use-media';
import { useView } from './view';

const Palette = lazy(() => import('./palette').then((module) => ({ default: module.Palette })));
const Shortcuts = lazy(() => import('./shortcuts').then((module) => ({ default: module.Shortcuts })));

function connect(): Socket {
  const url = new URL(`${API}/ws`, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(url) as unknown as Socket;
}

function useStream(): void {
  const cache = useQueryClient();
  useEffect(() => {
    const effects = new Effects(cache);
    const stream = createStream({
      connect,
      client: clientId,
      onBatch: effects.apply,
      onReset: effects.reset,
      onPhase(phase) {
        useConnection.getState().enter(phase);
        if (phase === 'live') effects.resume(listening());
        if (phase === 'retrying') goAhead();
        // A refused handshake looks like any other failure; a plain read tells a missing cookie apart.
        if (phase === 'retrying') void take(client.GET('/api/v1/status', {})).catch(() => undefined);
      },
    });
    const wake = () => {
      if (!document.hidden) stream.retryNow();
    };
    let left = false;
    void settleClient().then(() => left || stream.start());
    void fetchRecentActivity();
    window.addEventListener('online', wake);
    document.addEventListener('visibilitychange', wake);
    return () => {
      left = true;
      window.removeEventListener('online', wake);
      document.removeEventListener('visibilitychange', wake);
      stream.stop();
    };
  }, [cache]);
}

function useCommands() {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const { id } = useParams({ strict: false });
  useEffect(() => {
    arrive({
      sessionId: id ?? null,
      go: (path) => void navigate({ to: path }),
      openSession: (session, tab) =>
        void navigate({
          to: '/s/$id',
          params: { id: session },
          search: tab && tab !== 'transcript' ? { tab } : {},
        }),
    });
  }, [id, navigate]);
  const deeds = useMemo(() => createDeeds(cache), [cache]);
  useEffect(() => bindKeys(deeds), [deeds]);
  return deeds;
}

function Frame() {
  const view = useView();
  const wide = useMedia(RAIL_FITS);
  const router = useRouter();
  useEffect(
    () =>
      router.subscribe('onBeforeNavigate', () => {
        // A drawer has done its work once somebody goes somewhere.
        if (useView.getState().overlay === 'rail') useView.getState().show('none');
      }),
    [router],
  );
  const pane = usePane('rail', 240, 180, 400);
  return (
    <div className="flex h-full flex-col">
      <a
        href="#centre"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-raised focus:px-3 focus:py-1"
      >
        Skip to content
      </a>
      <div className="flex min-h-0 flex-1">
        {wide && view.rail && (
          <aside
            aria-label="Sessions and screens"
            style={{ width: pane.width }}
            className="relative shrink-0 border-r border-line"
          >
            <Rail />
            <Splitter pane={pane} side="left" label="Width of the session list" />
          </aside>
        )}
        <div className="flex min-w-0 flex-1">
          <Outlet />
        </div>
      </div>
      <StatusBar />
      <Dialog
        open={!wide && view.overlay === 'rail'}
        onClose={() => view.show('none')}
        label="Sessions and screens"
        place="left"
      >
        <Rail />
      </Dialog>
      <Suspense>
        <Palette />
        <Shortcuts />
      </Suspense>
      <Confirm />
      <Toasts />
    </div>
  );
}

export function Shell() {
  useStream();
  const deeds = useCommands();
  const signedOut = useConnection((connection) => connection.phase === 'signed_out');
  return (
    <DeedsContext value={deeds}>
      <Tooltip.Provider delayDuration={400} skipDelayDuration={200}>
        {signedOut ? <SignedOut /> : <Frame />}
      </Tooltip.Provider>
    </DeedsContext>
  );
}
