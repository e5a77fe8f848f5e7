// The few numbers a bench needs of a list of numbers. Nothing here rounds or prints.

/** The value below which the share `part` (0 to 1) of `values` lies, by nearest rank. */
export function percentile(values, part) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))];
}

/** Median with the extremes; of an even number of values the median is the mean of the middle two. */
export function spread(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

/** Spread of `ours[i] / theirs[i]`: each round is compared with itself, since a machine's pace drifts. */
export function ratioSpread(ours, theirs) {
  return spread(ours.map((value, round) => value / theirs[round]));
}
