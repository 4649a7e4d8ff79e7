/** How the page stands with the daemon; the status bar and the signed-out screen read it. */
import { create } from 'zustand';

/** `live` means: subscribed and caught up. Nothing else may be shown as connected. */
export type Phase = 'connecting' | 'live' | 'retrying' | 'signed_out';

interface Connection {
  phase: Phase;
  /** When the phase began, in milliseconds since 1970. */
  since: number;
  version: string | null;
  enter(phase: Phase): void;
  greet(version: string): void;
  signOut(): void;
}

export const useConnection = create<Connection>()((set, get) => ({
  phase: 'connecting',
  since: Date.now(),
  version: null,
  enter(phase) {
    // Signed out is final until the page is opened again through a launch link.
    if (get().phase !== phase && get().phase !== 'signed_out') set({ phase, since: Date.now() });
  },
  greet(version) {
    set({ version });
  },
  signOut() {
    set({ phase: 'signed_out', since: Date.now() });
  },
}));
