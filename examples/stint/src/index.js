// Everything stint offers, by module.

export { format, parse } from "./duration.js";
export { round } from "./round.js";
export { clip, gaps, length, merge, overlaps } from "./spans.js";
export { pad, truncate, width } from "./text.js";
export { table } from "./table.js";
export { report, totals } from "./timesheet.js";
