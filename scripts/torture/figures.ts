// Many measurements as one line.

/** Middle, near the end and worst; `digits` after the point. */
export function spread(values: readonly number[], unit = 'ms'): string {
  if (values.length === 0) return 'never measured';
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ${unit} (${values.length})`;
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** How often each value was seen. */
export type Tally = ReadonlyMap<string, number>;

/** The value below which this share of them lies. */
export function tallyQuantile(tally: Tally, share: number): number {
  let left = share * sum(tally.values());
  const sorted = [...tally]
    .map(([value, count]) => [Number(value), count] as const)
    .sort(([a], [b]) => a - b);
  for (const [value, count] of sorted) {
    left -= count;
    if (left <= 0) return value;
  }
  return sorted.at(-1)?.[0] ?? 0;
}

/** 0 where there are none. */
export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
