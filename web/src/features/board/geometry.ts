/** Where things are on a board, by the daemon's own rules: a card is in the smallest zone that holds its middle. */
import type { Place, Zone } from '@/api/nouns';

/** How far an arrow key moves a card, in the board's own measure. */
export const STEP = 20;
/** Room around everything, so that a card can be moved outwards. */
const MARGIN = 240;
/** The edge of what is drawn moves in such steps, and not with every card. */
const GRID = 400;

export interface Bounds {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function boundsOf(places: Place[]): Bounds {
  const down = (value: number) => Math.floor((value - MARGIN) / GRID) * GRID;
  const up = (value: number) => Math.ceil((value + MARGIN) / GRID) * GRID;
  const x = down(Math.min(0, ...places.map((one) => one.x)));
  const y = down(Math.min(0, ...places.map((one) => one.y)));
  const right = up(Math.max(0, ...places.map((one) => one.x + one.width)));
  const bottom = up(Math.max(0, ...places.map((one) => one.y + one.height)));
  return { x, y, width: right - x, height: bottom - y };
}

function holds(zone: Place, card: Place): boolean {
  const x = card.x + card.width / 2;
  const y = card.y + card.height / 2;
  return x >= zone.x && x < zone.x + zone.width && y >= zone.y && y < zone.y + zone.height;
}

export function zoneAround(zones: Zone[], card: Place): Zone | null {
  const area = (zone: Zone) => zone.place.width * zone.place.height;
  const around = zones.filter((zone) => holds(zone.place, card));
  around.sort((a, b) => area(a) - area(b) || (a.id < b.id ? -1 : 1));
  return around[0] ?? null;
}

/** Where a card's corner has to be for its middle to be the zone's. */
export function middleOf(zone: Place, card: Place): { x: number; y: number } {
  return {
    x: Math.round(zone.x + (zone.width - card.width) / 2),
    y: Math.round(zone.y + (zone.height - card.height) / 2),
  };
}

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** How far a key moves a card; null for a key that does not. With Shift it is ten times as far. */
export function stepOf(key: string, far: boolean): { x: number; y: number } | null {
  const arrow = ARROWS[key];
  if (!arrow) return null;
  const length = far ? STEP * 10 : STEP;
  return { x: arrow[0] * length, y: arrow[1] * length };
}
