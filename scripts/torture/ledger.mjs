// The account of one slot, kept while it is read: the rules of test/history/slot-account.ts for runs of so many messages that
// nobody can write them all down. It knows numbers only; whether the first message of a sender and its last ones were due
// is for verdict.ts to say, which knows all processes.

/** One message in so many is reported with its order. */
const SAMPLE_EVERY = 256;
/** Holes that are remembered per sender, to tell a late message from a doubled one. */
const REMEMBERED_HOLES = 64;
/** More faults than these tell nothing new. */
const MOST_FAULTS = 10;

export class Ledger {
  reads = 0;
  announced = 0;
  unknownGaps = 0;
  holes = 0;
  /** Messages that are missing around a gap of unknown size. */
  leeway = 0;
  doubled = 0;
  late = 0;
  disordered = 0;
  /** @type {string[]} */
  faults = [];
  /** @type {[sender: string, sequence: number, order: number][]} */
  #samples = [];
  /** @type {Map<string, { first: number, next: number, isDue: boolean, isExcused: boolean, holes: [number, number][] }>} */
  #senders = new Map();
  #lastOrder = 0;
  #isSilent = false;

  /** @param {string} sender @param {number} sequence from 1 on without holes @param {number} order */
  read(sender, sequence, order) {
    this.reads += 1;
    if (order <= this.#lastOrder) this.#disorder(sender, sequence, order);
    this.#lastOrder = order;
    const position = this.#senders.get(sender) ?? this.#meet(sender, sequence);
    if (sequence < position.next) return this.#repeat(sender, sequence, position);
    if (sequence > position.next) this.#skip(sender, sequence, position);
    position.next = sequence + 1;
    position.isDue = true;
    if (sequence % SAMPLE_EVERY === 0) this.#samples.push([sender, sequence, order]);
  }

  /** @param {number | undefined} missed */
  gap(missed) {
    if (missed !== undefined) {
      this.announced += missed;
      return;
    }
    this.unknownGaps += 1;
    for (const position of this.#senders.values()) position.isDue = false;
  }

  takeSamples() {
    return this.#samples.splice(0);
  }

  /** Plain data. */
  account() {
    const { reads, announced, unknownGaps, holes, leeway } = this;
    const senders = [...this.#senders].map(([sender, { first, next, isDue, isExcused }]) => {
      return { sender, first, next, isDue, isExcused };
    });
    return { reads, announced, unknownGaps, holes, leeway, senders };
  }

  #meet(sender, sequence) {
    const isExcused = this.unknownGaps > 0;
    const position = { first: sequence, next: sequence, isDue: true, isExcused, holes: [] };
    this.#senders.set(sender, position);
    return position;
  }

  #skip(sender, sequence, position) {
    const { next, isDue, holes } = position;
    if (!isDue) this.leeway += sequence - next;
    else this.holes += sequence - next;
    holes.push([next, sequence - 1]);
    if (holes.length > REMEMBERED_HOLES) holes.shift();
    if (this.holes <= this.announced || this.#isSilent) return;
    this.#isSilent = true;
    this.#note(
      `silent loss: ${sender}'s ${next} to ${sequence - 1}; ${this.holes} missing, ${this.announced} announced`,
    );
  }

  #repeat(sender, sequence, { next, holes }) {
    const isLate = holes.some(([first, last]) => first <= sequence && sequence <= last);
    if (isLate) this.late += 1;
    else this.doubled += 1;
    this.#note(`${isLate ? 'late' : 'doubled'}: ${sender}'s ${sequence} came after ${next - 1}`);
  }

  #disorder(sender, sequence, order) {
    this.disordered += 1;
    this.#note(`order: ${order} of ${sender}'s ${sequence} came after ${this.#lastOrder}`);
  }

  #note(fault) {
    if (this.faults.length < MOST_FAULTS) this.faults.push(fault);
  }
}
