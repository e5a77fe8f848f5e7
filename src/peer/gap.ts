// The marker that takes the place of missing messages in a slot. Where one is put is up to the slot and its queue.

/** Stands in a slot for messages that are missing: so many, or `undefined` where nobody can know. */
export interface Gap {
  readonly gap: { readonly missed: number | undefined };
}

export function isGap(entry: object): entry is Gap {
  return 'gap' in entry;
}

/** One marker for two, unless an exact number would be lost in one that nobody knows. */
export function joinGaps({ gap: one }: Gap, { gap: other }: Gap): Gap | undefined {
  if (one.missed === undefined && other.missed === undefined) return { gap: { missed: undefined } };
  if (one.missed === undefined || other.missed === undefined) return undefined;
  return { gap: { missed: one.missed + other.missed } };
}
