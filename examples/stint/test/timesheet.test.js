import assert from "node:assert/strict";
import { test } from "node:test";
import { report, totals } from "../src/timesheet.js";

const MINUTE = 60 * 1000;
const entry = (label, start, end) => ({ label, start: start * MINUTE, end: end * MINUTE });

test("totals are per label and sorted", () => {
  const entries = [entry("review", 0, 45), entry("build", 45, 60), entry("review", 60, 75)];
  assert.deepEqual(totals(entries), [
    { label: "build", milliseconds: 15 * MINUTE },
    { label: "review", milliseconds: 60 * MINUTE },
  ]);
});

test("time that is entered twice counts once", () => {
  const entries = [entry("review", 30, 60), entry("review", 0, 45), entry("review", 10, 20)];
  assert.deepEqual(totals(entries), [{ label: "review", milliseconds: 60 * MINUTE }]);
});

test("report has a total and times to the right", () => {
  const entries = [entry("review", 0, 45), entry("build", 45, 120)];
  assert.equal(report(entries), "build   1h 15m\nreview     45m\ntotal       2h");
});

test("report of nothing is a total of nothing", () => {
  assert.equal(report([]), "total  0s");
});
