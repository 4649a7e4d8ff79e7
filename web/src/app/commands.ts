/**
 * Every command of the page, as data. The palette, the `?` sheet, tooltips, key bindings and the test against conflicting keys
 * all read this list; there is no other place where a key is bound to a deed.
 */
import { createSession, goTo, focusOn, stepFocus, type Deeds } from './deeds';

export type Category = 'Go' | 'Session' | 'Agents' | 'View' | 'List' | 'Help';

export interface Command {
  id: string;
  title: string;
  category: Category;
  /** tinykeys grammar: presses separated by spaces, `$mod` is ⌘ or Ctrl. */
  keys?: string;
  /** Also while a text field has the focus. Only for bindings with a modifier. */
  typing?: boolean;
  /** Only on a session's page. */
  inSession?: boolean;
  /** Not worth a line in the palette: it needs a focus that the palette takes away. */
  keyOnly?: boolean;
  run(deeds: Deeds): void;
}

export const COMMANDS: readonly Command[] = [
  {
    id: 'palette',
    title: 'Command palette',
    category: 'Go',
    keys: '$mod+KeyK',
    typing: true,
    keyOnly: true,
    run: (d) => d.view.show('palette'),
  },
  {
    id: 'search',
    title: 'Search',
    category: 'Go',
    keys: '/',
    keyOnly: true,
    run: (d) => d.view.show('palette'),
  },
  {
    id: 'switch',
    title: 'Switch session',
    category: 'Go',
    keys: '$mod+KeyP',
    typing: true,
    run: (d) => d.view.show('sessions'),
  },
  { id: 'go.mission', title: 'Go to mission control', category: 'Go', keys: 'g h', run: goTo('/') },
  {
    id: 'go.coordination',
    title: 'Go to locks and notices',
    category: 'Go',
    keys: 'g l',
    run: goTo('/coord'),
  },
  { id: 'go.board', title: 'Go to the boards', category: 'Go', keys: 'g b', run: goTo('/board') },
  {
    id: 'go.last',
    title: 'Go to the last session',
    category: 'Go',
    keys: 'g s',
    run: (d) => d.openLastSession(),
  },
  {
    id: 'go.needs',
    title: 'Next session that needs you',
    category: 'Go',
    keys: 'a',
    run: (d) => d.nextNeedingYou(),
  },
  {
    id: 'go.previous',
    title: 'Previous session',
    category: 'Go',
    keys: '$mod+Alt+ArrowUp',
    typing: true,
    run: (d) => d.stepSession(-1),
  },
  {
    id: 'go.next',
    title: 'Next session',
    category: 'Go',
    keys: '$mod+Alt+ArrowDown',
    typing: true,
    run: (d) => d.stepSession(1),
  },

  { id: 'session.new', title: 'New session', category: 'Session', keys: 'c', run: createSession },
  {
    id: 'session.write',
    title: 'Write a message',
    category: 'Session',
    keys: 'i',
    inSession: true,
    run: focusOn('composer'),
  },
  {
    id: 'session.answer',
    title: 'Answer the open question',
    category: 'Session',
    keys: 'q',
    run: focusOn('answer'),
  },
  {
    id: 'session.permit',
    title: 'Decide the open permission',
    category: 'Session',
    keys: 'p',
    run: focusOn('permission'),
  },
  {
    id: 'session.input',
    title: 'Take over the input',
    category: 'Session',
    keys: 'Shift+I',
    inSession: true,
    run: (d) => d.takeInput(),
  },
  {
    id: 'session.stop',
    title: 'Stop running tasks',
    category: 'Session',
    keys: '$mod+Backspace',
    inSession: true,
    run: (d) => d.stopTasks(),
  },
  {
    id: 'session.rename',
    title: 'Rename session',
    category: 'Session',
    keys: 'Shift+R',
    inSession: true,
    run: focusOn('session-title'),
  },
  {
    id: 'session.archive',
    title: 'Archive session',
    category: 'Session',
    keys: 'e',
    inSession: true,
    run: (d) => d.archiveSession(),
  },
  {
    id: 'copy.path',
    title: 'Copy the repository path',
    category: 'Session',
    keys: 'y p',
    inSession: true,
    run: (d) => d.copy('path'),
  },
  {
    id: 'copy.branch',
    title: 'Copy the branch',
    category: 'Session',
    keys: 'y b',
    inSession: true,
    run: (d) => d.copy('branch'),
  },
  {
    id: 'copy.id',
    title: 'Copy the session id',
    category: 'Session',
    keys: 'y i',
    inSession: true,
    run: (d) => d.copy('id'),
  },

  ...[1, 2, 3, 4].map((seat): Command => ({
    id: `target.${seat}`,
    title: `Target agent ${seat}`,
    category: 'Agents',
    keys: `Alt+Digit${seat}`,
    typing: true,
    inSession: true,
    run: (d) => d.toggleTarget(seat - 1),
  })),
  {
    id: 'target.all',
    title: 'Target every agent',
    category: 'Agents',
    keys: 'Alt+Digit0',
    typing: true,
    inSession: true,
    run: (d) => d.toggleTarget('all'),
  },

  {
    id: 'view.transcript',
    title: 'Show the transcript',
    category: 'View',
    keys: 'v t',
    inSession: true,
    run: (d) => d.showTab('transcript'),
  },
  {
    id: 'view.plan',
    title: 'Show the plan',
    category: 'View',
    keys: 'v p',
    inSession: true,
    run: (d) => d.showTab('plan'),
  },
  {
    id: 'view.changes',
    title: 'Show the changes',
    category: 'View',
    keys: 'v c',
    inSession: true,
    run: (d) => d.showTab('changes'),
  },
  {
    id: 'view.rail',
    title: 'Show or hide the session list',
    category: 'View',
    keys: '$mod+KeyB',
    typing: true,
    run: (d) => d.togglePane('rail'),
  },
  {
    id: 'view.inspector',
    title: 'Show or hide the inspector',
    category: 'View',
    keys: '$mod+.',
    typing: true,
    run: (d) => d.togglePane('inspector'),
  },
  {
    id: 'theme.toggle',
    title: 'Switch between light and dark',
    category: 'View',
    keys: 'Shift+T',
    run: (d) => d.toggleTheme(),
  },
  { id: 'theme.light', title: 'Theme: light', category: 'View', run: (d) => d.view.setTheme('light') },
  { id: 'theme.dark', title: 'Theme: dark', category: 'View', run: (d) => d.view.setTheme('dark') },
  {
    id: 'theme.system',
    title: 'Theme: as the system',
    category: 'View',
    run: (d) => d.view.setTheme('system'),
  },

  { id: 'list.down', title: 'Next row', category: 'List', keys: 'j', keyOnly: true, run: stepFocus(1) },
  { id: 'list.up', title: 'Previous row', category: 'List', keys: 'k', keyOnly: true, run: stepFocus(-1) },
  {
    id: 'list.refresh',
    title: 'Put rows in order again',
    category: 'List',
    keys: 'r',
    run: (d) => d.reorder(),
  },
  {
    id: 'list.latest',
    title: 'Jump to the latest message',
    category: 'List',
    keys: 'Shift+G',
    inSession: true,
    run: (d) => d.jumpToLatest(),
  },

  {
    id: 'help.keys',
    title: 'Keyboard shortcuts',
    category: 'Help',
    keys: 'Shift+?',
    run: (d) => d.view.show('shortcuts'),
  },
  {
    id: 'help.singleKeys',
    title: 'Turn single-key shortcuts on or off',
    category: 'Help',
    run: (d) => d.toggleSingleKeys(),
  },
];

/** A binding without ⌘, Ctrl or Alt types a character; in a text field it must stay one. */
export function isBare(keys: string): boolean {
  return keys.split(' ').every((press) => !/(\$mod|Control|Meta|Alt)\+/.test(press));
}

export function keysOf(id: string): string | undefined {
  return COMMANDS.find((command) => command.id === id)?.keys;
}
