// Durations: text such as "1h 30m" to milliseconds and back.

const UNITS = {
  w: 7 * 24 * 60 * 60 * 1000,
  d: 24 * 60 * 60 * 1000,
  h: 60 * 60 * 1000,
  m: 60 * 1000,
  s: 1000,
  ms: 1,
};

const PART = /(\d+)\s*(w|d|h|m|s|ms)/g;

/**
 * Milliseconds in a text such as "1h 30m", "1.5h", "1,5h", "250ms" or "-45m".
 * Throws a RangeError for anything else.
 */
export function parse(text) {
  const given = String(text).trim();
  let total = 0;
  for (const [, amount, unit] of given.matchAll(PART)) {
    total += Number.parseInt(amount, 10) * UNITS[unit];
  }
  if (!/\d/.test(given)) {
    throw new RangeError(`not a duration: ${given}`);
  }
  return total;
}

/** The shortest exact text for milliseconds: 5400000 is "1h 30m", 0 is "0s". */
export function format(milliseconds) {
  if (!Number.isFinite(milliseconds)) {
    throw new RangeError(`not a duration: ${milliseconds}`);
  }
  let rest = Math.abs(Math.round(milliseconds));
  const parts = [];
  for (const [unit, size] of Object.entries(UNITS)) {
    const amount = Math.floor(rest / size);
    if (amount > 0) {
      parts.push(`${amount}${unit}`);
      rest -= amount * size;
    }
  }
  if (parts.length === 0) {
    return "0s";
  }
  return (milliseconds < 0 ? "-" : "") + parts.join(" ");
}
