// Why a slot or responder cannot be registered. The host says so of a SLOT request; a peer looks first, since what is refused in
// a JOIN ends its link.
import type { MailslotErrorCode } from '../errors.js';
import { MAX_SUBSCRIPTIONS_PER_PEER } from '../limits.js';
import type { SlotSpec } from './control.js';

export interface SlotRefusal {
  readonly code: MailslotErrorCode;
  readonly message: string;
}

/**
 * Undefined when it can be.
 * @param open how many slots and responders the peer has
 */
export function refusalOf({ role, pattern }: SlotSpec, open: number): SlotRefusal | undefined {
  if (open >= MAX_SUBSCRIPTIONS_PER_PEER) {
    const call = role === 'slot' ? 'subscribe' : 'respond';
    const message = `${call}: ${MAX_SUBSCRIPTIONS_PER_PEER} slots and responders are open in this peer; close some, or use patterns`;
    return { code: 'MAILSLOT_QUOTA_EXCEEDED', message };
  }
  if (role === 'responder' && pattern.startsWith('$')) {
    return { code: 'MAILSLOT_NOT_PERMITTED', message: `only the host responds to "${pattern}"` };
  }
  return undefined;
}
