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
