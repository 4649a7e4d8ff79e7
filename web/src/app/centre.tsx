/** The centre pane and, beside it, the inspector; each screen brings both. */
import { Menu, PanelRight } from 'lucide-react';
import type { ReactNode } from 'react';
import { IconButton } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { keysOf } from './commands';
import { INSPECTOR_FITS, RAIL_FITS } from './deeds';
import { useDeeds } from './deeds-context';
import { Splitter, usePane } from './splitter';
import { useMedia } from './use-media';
import { useView } from './view';

export function Centre({
  header,
  inspector,
  inspectorName,
  children,
}: {
  header: ReactNode;
  inspector: ReactNode;
  inspectorName: string;
  children: ReactNode;
}) {
  const deeds = useDeeds();
  const view = useView();
  const railFits = useMedia(RAIL_FITS);
  const fits = useMedia(INSPECTOR_FITS);
  const pane = usePane('inspector', 304, 240, 480);
  return (
    <>
      <main id="centre" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
        <header className="flex h-10 shrink-0 items-center gap-2 border-b border-line pr-2 pl-4 max-[820px]:pl-1.5">
          {(!railFits || !view.rail) && (
            <IconButton label="Sessions" keys={keysOf('view.rail')} onClick={() => deeds.togglePane('rail')}>
              <Menu size={15} aria-hidden />
            </IconButton>
          )}
          <div className="flex min-w-0 flex-1 items-center gap-3">{header}</div>
          <IconButton
            label={fits && view.inspector ? `Hide ${inspectorName}` : `Show ${inspectorName}`}
            keys={keysOf('view.inspector')}
            onClick={() => deeds.togglePane('inspector')}
          >
            <PanelRight size={15} aria-hidden />
          </IconButton>
        </header>
        {children}
      </main>
      {fits && view.inspector && (
        <aside
          aria-label={inspectorName}
          style={{ width: pane.width }}
          className="relative shrink-0 border-l border-line bg-sunken"
        >
          <Splitter pane={pane} side="right" label={`Width of ${inspectorName}`} />
          <div className="h-full overflow-y-auto pb-4">{inspector}</div>
        </aside>
      )}
      <Dialog
        open={!fits && view.overlay === 'inspector'}
        onClose={() => view.show('none')}
        label={inspectorName}
        place="right"
        className="overflow-y-auto! bg-sunken!"
      >
        {inspector}
      </Dialog>
    </>
  );
}
