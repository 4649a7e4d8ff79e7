import assert from "node:assert/strict";
import { test } from "node:test";
import { format, parse } from "../src/duration.js";

const HOUR = 60 * 60 * 1000;

test("parse adds up the parts", () => {
  assert.equal(parse("1h 30m"), 1.5 * HOUR);
  assert.equal(parse("1w2d"), 9 * 24 * HOUR);
});

test("parse reads seconds", () => {
  assert.equal(parse("90s"), 90_000);
});

test("parse tells milliseconds from minutes", () => {
  assert.equal(parse("250ms"), 250);
  assert.equal(parse("1s 5ms"), 1005);
});

test("parse reads fractions", () => {
  assert.equal(parse("1.5h"), 1.5 * HOUR);
  assert.equal(parse("0.1s"), 100);
});

test("parse takes a comma for a point", () => {
  assert.equal(parse("1,5h"), 1.5 * HOUR);
});

test("parse reads a sign", () => {
  assert.equal(parse("-45m"), -0.75 * HOUR);
  assert.equal(parse("-1h 30m"), -1.5 * HOUR);
});

test("parse refuses what is no duration", () => {
  for (const text of ["", "soon", "h", "-"]) {
    assert.throws(() => parse(text), RangeError, text);
  }
});

test("parse refuses what it understands only in part", () => {
  for (const text of ["12", "1h banana", "1h 5", "1x"]) {
    assert.throws(() => parse(text), RangeError, text);
  }
});

test("format is short and exact", () => {
  assert.equal(format(1.5 * HOUR), "1h 30m");
  assert.equal(format(9 * 24 * HOUR), "1w 2d");
  assert.equal(format(1005), "1s 5ms");
});

test("format knows nothing and less", () => {
  assert.equal(format(0), "0s");
  assert.equal(format(-HOUR), "-1h");
});

test("format refuses what is no number", () => {
  assert.throws(() => format(Number.NaN), RangeError);
  assert.throws(() => format(Number.POSITIVE_INFINITY), RangeError);
});
