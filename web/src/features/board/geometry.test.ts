import { expect, it } from 'vitest';
import type { Zone } from '@/api/nouns';
import { boundsOf, middleOf, stepOf, zoneAround } from './geometry';

const place = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });
const zone = (id: string, x: number, width: number) =>
  ({ id, name: id, place: place(x, -500, width, 1000) }) as Zone;

it('finds the zone that the daemon finds', () => {
  const large = zone('zon_a', -500, 1000);
  const small = zone('zon_c', -50, 100);
  const older = zone('zon_b', -50, 100);
  expect(zoneAround([large, small, older], place(0, 0, 41, 40))?.id).toBe('zon_b');
  expect(zoneAround([zone('zon_a', 21, 40)], place(0, 0, 41, 40))).toBeNull();
  expect(zoneAround([zone('zon_a', 20, 40)], place(0, 0, 41, 40))?.id).toBe('zon_a');
  expect(zoneAround([large], place(5000, 0, 40, 40))).toBeNull();
});

it('puts the middle of a card where the middle of the zone is', () => {
  const target = place(100, 200, 400, 300);
  const card = place(0, 0, 260, 140);
  expect(
    zoneAround([{ ...zone('zon_a', 0, 1), place: target }], { ...card, ...middleOf(target, card) }),
  ).not.toBeNull();
  expect(middleOf(target, card)).toEqual({ x: 170, y: 280 });
});

it('draws more than is there, in steps', () => {
  expect(boundsOf([])).toEqual(place(-400, -400, 800, 800));
  const far = boundsOf([place(-900, 0, 100, 60), place(700, 10, 100, 60)]);
  expect(far.x).toBeLessThanOrEqual(-900 - 240);
  expect(far.x + far.width).toBeGreaterThanOrEqual(800 + 240);
  expect(boundsOf([place(-901, 0, 100, 60), place(700, 10, 100, 60)])).toEqual(far);
});

it('moves by arrows alone, and further with Shift', () => {
  expect(stepOf('ArrowLeft', false)).toEqual({ x: -20, y: 0 });
  expect(stepOf('ArrowDown', true)).toEqual({ x: 0, y: 200 });
  expect(stepOf('Enter', false)).toBeNull();
});
