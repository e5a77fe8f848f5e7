// What each peer says of its own slots, which the host cannot know: how full they are, and what they have dropped.
import { MailslotError } from '../errors.js';
import type { Bus, BusStats } from './api.js';
import { askHost } from './host-queries.js';
import { systemQuestion } from './question.js';

/** One slot, as its peer describes it. */
export type SlotReport = Omit<BusStats['slots'][number], 'drops'> & { group?: string };

/** The answer of one peer. */
export interface PeerReport {
  /** Its id. */
  peer: string;
  slots: readonly SlotReport[];
}

/**
 * Asks every peer; resolves to the answers when all have come, or after `timeout` ms to those that have.
 * @throws as `query`, but not MAILSLOT_TIMEOUT
 */
export function collectSlotReports(bus: Bus, timeout: number): Promise<PeerReport[]> {
  const question = systemQuestion('$slots', null, { call: 'slots', timeout, all: true });
  const reports: PeerReport[] = [];
  return new Promise((resolve, reject) => {
    askHost(bus, question, {
      reply: ({ sender, data }) => {
        if (isReport(data)) reports.push({ peer: sender, slots: data });
      },
      end: (error) => {
        if (error === undefined || MailslotError.is(error, 'MAILSLOT_TIMEOUT')) resolve(reports);
        else reject(error);
      },
    });
  });
}

function isReport(data: unknown): data is SlotReport[] {
  return Array.isArray(data) && data.every(isSlotReport);
}

function isSlotReport(value: unknown): value is SlotReport {
  if (typeof value !== 'object' || value === null) return false;
  const { pattern, group, messages, bytes, dropped, missed, expired } = value as Record<string, unknown>;
  if (group !== undefined && typeof group !== 'string') return false;
  return (
    typeof pattern === 'string' && [messages, bytes, dropped, missed, expired].every(Number.isSafeInteger)
  );
}
