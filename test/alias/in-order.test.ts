import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { InOrder } from "../../embed/alias/in-order.ts";

test("whatever order work ends in, results come in the order it was begun, and at once", () => {
  const order = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 30 }).map((keys) =>
    keys
      .map((key, index) => ({ key, index }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ index }) => index),
  );
  fc.assert(
    fc.property(order, (endings) => {
      const delivered: number[] = [];
      const results = new InOrder<number>((value) => delivered.push(value));
      const places = endings.map(() => results.begin());
      const ended = new Set<number>();
      for (const index of endings) {
        const place = places[index];
        if (place === undefined) throw new Error("no such place");
        results.end(place, index);
        ended.add(index);
        let ready = 0;
        while (ended.has(ready)) ready++;
        expect(delivered).toEqual(Array.from({ length: ready }, (_, i) => i));
        expect(results.length).toBe(endings.length - ready);
      }
    }),
  );
});

test("a result may be nothing at all", () => {
  const delivered: unknown[] = [];
  const results = new InOrder<null>((value) => delivered.push(value));
  results.end(results.begin(), null);
  expect(delivered).toEqual([null]);
});
