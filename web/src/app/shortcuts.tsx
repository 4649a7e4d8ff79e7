/** `?`: the whole registry on one sheet, and the switch that turns single keys off. */
import { Dialog } from '@/components/dialog';
import { Keys } from '@/components/keys';
import { COMMANDS, type Category } from './commands';
import { useView } from './view';

const CATEGORIES: Category[] = ['Go', 'Session', 'Agents', 'View', 'List', 'Help'];

/** What the text fields do themselves, for completeness. */
const FIELDS = [
  { title: 'Send the message', keys: '$mod+Enter' },
  { title: 'Leave the text field; nothing is interrupted', keys: 'Escape' },
];

function Line({ title, keys }: { title: string; keys: string }) {
  return (
    <li className="flex h-7 items-center justify-between gap-4">
      <span className="truncate">{title}</span>
      <Keys binding={keys} />
    </li>
  );
}

export function Shortcuts() {
  const { overlay, show, singleKeys, toggle } = useView();
  return (
    <Dialog
      open={overlay === 'shortcuts'}
      onClose={() => show('none')}
      label="Keyboard shortcuts"
      className="w-200!"
    >
      <div className="flex h-11 items-center justify-between border-b border-line px-4">
        <h2 className="text-base font-semibold">Keyboard shortcuts</h2>
        <label className="flex items-center gap-2 text-muted">
          <input type="checkbox" checked={singleKeys} onChange={() => toggle('singleKeys')} />
          Single-key shortcuts
        </label>
      </div>
      {/* Scrollable by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div tabIndex={0} className="focus-inset columns-1 gap-8 overflow-y-auto p-4 sm:columns-2">
        {CATEGORIES.map((category) => (
          <section key={category} className="mb-4 break-inside-avoid">
            <h3 className="mb-1 text-xs font-medium text-muted">{category}</h3>
            <ul>
              {COMMANDS.filter((one) => one.category === category && one.keys).map((one) => (
                <Line key={one.id} title={one.title} keys={one.keys ?? ''} />
              ))}
            </ul>
          </section>
        ))}
        <section className="break-inside-avoid">
          <h3 className="mb-1 text-xs font-medium text-muted">In a text field</h3>
          <ul>
            {FIELDS.map((one) => (
              <Line key={one.keys} {...one} />
            ))}
          </ul>
        </section>
      </div>
    </Dialog>
  );
}
