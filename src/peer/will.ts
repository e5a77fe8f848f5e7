// The option `will` of openBus: checked and encoded once, because there is nobody to ask when it is due.
import { MailslotError } from '../errors.js';
import { MAX_WILL_BYTES } from '../limits.js';
import type { PeerId } from '../wire/peer-id.js';
import { checkSubject } from '../wire/subject.js';
import { encodeValue } from '../wire/values.js';
import { encodeWill } from '../wire/will.js';
import type { Will } from './api.js';
import { checkFlag, checkOptions } from './options.js';
import { checkHeaders } from './publisher.js';

/**
 * The frame that the host keeps; undefined without a will.
 * @throws MAILSLOT_INVALID_OPTION, _INVALID_SUBJECT, _NOT_ENCODABLE, _MESSAGE_TOO_LARGE
 */
export function encodeWillOption(
  will: Will | undefined,
  { call, peerId, maxMessageBytes }: { call: string; peerId: PeerId; maxMessageBytes: number },
): Uint8Array | undefined {
  if (will === undefined) return undefined;
  checkOptions(will, call, ['subject', 'data', 'headers', 'retain'], 'will');
  const { subject, retain = false } = will;
  checkSubject(subject, call);
  checkFlag(retain, { call, option: 'will.retain' });
  const headers = checkHeaders(will.headers, call);
  const frame = encodeWill(peerId, { subject, data: encodeValue(will.data, call), headers, retain });
  const most = Math.min(MAX_WILL_BYTES, maxMessageBytes);
  if (frame.length <= most) return frame;
  const message = `${call}: the will on "${subject}" has ${frame.length} bytes; at most ${most} fit: leave a hint where the rest is`;
  throw new MailslotError('MAILSLOT_MESSAGE_TOO_LARGE', message);
}
