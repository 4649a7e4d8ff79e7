// Rounding of durations, as timesheets want it.

const MODES = { nearest: Math.round, up: Math.ceil, down: Math.floor };

/** The duration as a multiple of `step`; `mode` is "nearest", "up" or "down". */
export function round(milliseconds, step, mode = "nearest") {
  if (!(step > 0)) {
    throw new RangeError(`not a step: ${step}`);
  }
  const rounded = MODES[mode];
  if (rounded === undefined) {
    throw new RangeError(`not a mode: ${mode}`);
  }
  return rounded(milliseconds / step) * step;
}
