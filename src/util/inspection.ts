// What a program sees that prints one of our objects: its name and what is worth knowing, and nothing of its insides.

/** Name of the method that Node calls for that. */
export const inspected: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/** Node's `util.inspect`, which it passes along. */
export type Inspect = (value: unknown, options: object) => string;

/** The text for an object of this name with these fields; the other arguments are those of the method. */
export function show(
  name: string,
  fields: object,
  [depth, options, inspect]: [depth: number, options: object, inspect: Inspect],
): string {
  return depth < 0 ? `[${name}]` : `${name} ${inspect(fields, options)}`;
}
