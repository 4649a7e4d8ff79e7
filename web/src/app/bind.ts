/** Binds the keys of the registry to the window, once. */
import { tinykeys } from 'tinykeys';
import { COMMANDS, isBare, type Command } from './commands';
import { isInSession, type Deeds } from './deeds';

function isTextField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  // Between its closing and its removal a dialog may still hold the focus; nobody types there.
  if (target.closest('dialog:not([open])')) return false;
  if (
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  )
    return true;
  return target instanceof HTMLInputElement && !['button', 'checkbox', 'radio'].includes(target.type);
}

export interface Situation {
  typing: boolean;
  inSession: boolean;
  singleKeys: boolean;
  modalOpen: boolean;
}

/** Whether a command answers to its keys right now. */
export function applies(command: Command, now: Situation): boolean {
  if (command.keys === undefined) return false;
  if (command.inSession && !now.inSession) return false;
  if (now.typing && !command.typing) return false;
  if (isBare(command.keys) && !now.singleKeys) return false;
  // A modal owns the keyboard; only the way to another palette stays open.
  return !now.modalOpen || command.id === 'palette' || command.id === 'switch';
}

export function bindKeys(deeds: Deeds): () => void {
  const map: Record<string, (event: KeyboardEvent) => void> = {};
  for (const command of COMMANDS) {
    if (command.keys === undefined) continue;
    map[command.keys] = (event) => {
      const now: Situation = {
        typing: isTextField(event.target),
        inSession: isInSession(),
        singleKeys: deeds.view.singleKeys,
        modalOpen: document.querySelector('dialog[open]') !== null,
      };
      if (!applies(command, now)) return;
      event.preventDefault();
      command.run(deeds);
    };
  }
  return tinykeys(window, map);
}
