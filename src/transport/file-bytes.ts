// What is the same for every file of a bus folder: how it is opened, and how all of it is read.
import { constants, readSync } from 'node:fs';

/** To read a file without following a link or waiting for the other end of a pipe. Windows has neither flag. */
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Fills `target` from the beginning of the file; returns how many bytes there were for it. @throws what the system says */
export function readFully(fd: number, target: Uint8Array): number {
  let length = 0;
  for (let read = -1; read !== 0 && length < target.length; length += read)
    read = readSync(fd, target, length, target.length - length, length);
  return length;
}
