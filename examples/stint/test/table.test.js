import assert from "node:assert/strict";
import { test } from "node:test";
import * as tables from "../src/table.js";

const rows = [
  ["task", "time"],
  ["review", "45m"],
];

test("table aligns its columns", () => {
  assert.equal(tables.table(rows), "task    time\nreview  45m ");
});

test("table of nothing is empty", () => {
  assert.equal(tables.table([]), "");
});

test("table aligns to the right when told", () => {
  assert.equal(tables.table(rows, { align: ["left", "right"] }), "task    time\nreview   45m");
});

test("table fills missing cells", () => {
  assert.equal(tables.table([["a", "b"], ["c"]]), "a  b\nc   ");
});

test("table leaves its rows alone", () => {
  const given = [["a", "b"]];
  tables.table(given);
  assert.deepEqual(given, [["a", "b"]]);
});

test("toMarkdown draws a head and says how columns align", () => {
  assert.equal(
    tables.toMarkdown(rows, { align: ["left", "right"] }),
    "| task   | time |\n|--------|-----:|\n| review |  45m |",
  );
});

test("toMarkdown escapes bars", () => {
  assert.equal(tables.toMarkdown([["a|b"]]), "| a\\|b |\n|------|");
});
