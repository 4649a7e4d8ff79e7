import assert from "node:assert/strict";
import { test } from "node:test";
import { round } from "../src/round.js";

test("round goes to the nearest step", () => {
  assert.equal(round(8, 15), 15);
  assert.equal(round(7, 15), 0);
});

test("round goes up and down when told", () => {
  assert.equal(round(1, 15, "up"), 15);
  assert.equal(round(29, 15, "down"), 15);
});

test("round leaves whole steps alone", () => {
  for (const mode of ["nearest", "up", "down"]) {
    assert.equal(round(30, 15, mode), 30);
  }
});

test("round refuses steps and modes that are none", () => {
  assert.throws(() => round(1, 0), RangeError);
  assert.throws(() => round(1, 15, "sideways"), RangeError);
});
