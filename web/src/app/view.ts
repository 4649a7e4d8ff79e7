/** What of the page is open and how it looks. Choices that should last are remembered. */
import { create } from 'zustand';
import { recall, remember } from './remember';

export type Theme = 'system' | 'light' | 'dark';
export type Overlay = 'none' | 'palette' | 'sessions' | 'shortcuts' | 'rail' | 'inspector';

interface View {
  theme: Theme;
  rail: boolean;
  inspector: boolean;
  singleKeys: boolean;
  overlay: Overlay;
  setTheme(theme: Theme): void;
  toggle(pane: 'rail' | 'inspector' | 'singleKeys'): void;
  show(overlay: Overlay): void;
}

function knownTheme(value: string | null): Theme {
  return value === 'light' || value === 'dark' ? value : 'system';
}

export const useView = create<View>()((set, get) => ({
  theme: knownTheme(recall('theme')),
  rail: recall('rail') !== 'off',
  inspector: recall('inspector') !== 'off',
  singleKeys: recall('singleKeys') !== 'off',
  overlay: 'none',
  setTheme(theme) {
    remember('theme', theme === 'system' ? null : theme);
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    set({ theme });
  },
  toggle(pane) {
    const on = !get()[pane];
    remember(pane, on ? null : 'off');
    set({ [pane]: on });
  },
  show(overlay) {
    set({ overlay });
  },
}));

/** Whether the page is dark right now, whoever decided it. */
export function isDark(): boolean {
  const { theme } = useView.getState();
  return theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
}
