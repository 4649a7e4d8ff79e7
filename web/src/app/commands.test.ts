import { parseKeybinding } from 'tinykeys';
import { describe, expect, it } from 'vitest';
import { applies, type Situation } from './bind';
import { COMMANDS, isBare, type Command } from './commands';

const bound = COMMANDS.filter((command): command is Command & { keys: string } => command.keys !== undefined);

/** Presses with their modifiers in one order, so that equal bindings look equal. */
function presses(keys: string): string[] {
  return parseKeybinding(keys.replaceAll('$mod', 'Control')).map(([mods, key]) =>
    [...mods].toSorted().concat(String(key).toLowerCase()).join('+'),
  );
}

const startsWith = (longer: string[], shorter: string[]) =>
  shorter.every((press, index) => longer[index] === press);

describe('the commands', () => {
  it('have unique ids and titles', () => {
    expect(new Set(COMMANDS.map((command) => command.id)).size).toBe(COMMANDS.length);
    expect(new Set(COMMANDS.map((command) => command.title)).size).toBe(COMMANDS.length);
  });

  it('never share a key, and no key is the beginning of another binding', () => {
    for (const one of bound) {
      for (const other of bound) {
        if (one === other) continue;
        const clash = startsWith(presses(other.keys), presses(one.keys));
        expect(clash, `${one.id} (${one.keys}) and ${other.id} (${other.keys})`).toBe(false);
      }
    }
  });

  it('work in text fields only with a modifier', () => {
    for (const command of bound) if (command.typing) expect(isBare(command.keys), command.id).toBe(false);
  });

  it('leave Escape alone: it closes and unfocuses, and never interrupts', () => {
    for (const command of bound) expect(command.keys).not.toMatch(/esc/i);
  });

  it('are all reachable: by a key or by the palette', () => {
    for (const command of COMMANDS) expect(command.keyOnly && command.keys === undefined).toBeFalsy();
  });
});

describe('a binding applies', () => {
  const here: Situation = { typing: false, inSession: true, singleKeys: true, modalOpen: false };
  const command = (id: string) => COMMANDS.find((one) => one.id === id)!;

  it('to single letters only outside text fields', () => {
    expect(applies(command('session.new'), here)).toBe(true);
    expect(applies(command('session.new'), { ...here, typing: true })).toBe(false);
    expect(applies(command('target.1'), { ...here, typing: true })).toBe(true);
  });

  it('to single letters not at all when they are turned off', () => {
    for (const one of bound) expect(applies(one, { ...here, singleKeys: false })).toBe(!isBare(one.keys));
  });

  it('to a session only on its page', () => {
    expect(applies(command('session.archive'), { ...here, inSession: false })).toBe(false);
  });

  it('under an open dialog only to the palette', () => {
    const open = bound.filter((one) => applies(one, { ...here, modalOpen: true }));
    expect(open.map((one) => one.id)).toEqual(['palette', 'switch']);
  });
});
