// Message files of a host: those that others have written.
import type { MessageFiles } from '../../src/transport/message-files.js';

/**
 * @param content by number, whoever wrote it
 * @param onRead called with the number of each that is read
 */
export function filesFor(
  content: Readonly<Record<number, Buffer>>,
  onRead: (number: number) => void = () => {},
): MessageFiles {
  return {
    shortest: Number.POSITIVE_INFINITY,
    isReady: false,
    keep: () => undefined,
    read: ({ number, size }, memory) => {
      onRead(number);
      if (content[number]?.length !== size) return false;
      memory().set(content[number]);
      return true;
    },
  };
}
