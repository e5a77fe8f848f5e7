// Runs of many messages: a few publishers, several slots for each message, and bursts so long that thousands of messages
// share a frame and the run costs little per message. What befalls the processes does so while a burst is under way.
import type { Dice } from './dice.js';
import type { PouringPlan, Program, ReadingPlan } from './program.js';
import {
  FAULTS,
  PATTERNS,
  type PlannedFault,
  type ProcessPlan,
  type Scenario,
  SUBJECTS,
} from './scenario.js';
import type { Weather, World } from './world.js';

function drawWeather(dice: Dice): Weather {
  return {
    delay: dice.pick([0.1, 1, 5]),
    capacity: dice.pick([8_192, 65_536, 212_992]),
    partialWrites: dice.pick([0.02, 0.1, 0.6]),
    splits: dice.pick([0.05, 0.2, 0.8]),
    refusals: dice.pick([0.05, 0.1, 0.5]),
  };
}

function drawProcess(dice: Dice): ProcessPlan {
  return { mayHost: dice.chance(0.85), windowBytes: dice.pick([8_192, 65_536, 262_144]) };
}

function drawReading(dice: Dice): ReadingPlan {
  const by = dice.pick(['batches', 'batches', 'batches', 'batches', 'iteration'] as const);
  return {
    pattern: dice.chance(0.5) ? '>' : dice.pick(PATTERNS),
    overflow: dice.chance(0.8) ? 'wait' : 'drop-oldest',
    capacity: dice.pick([50, 1_000, 20_000]),
    stallTimeout: dice.pick([10_000, 10_000, 300]),
    by,
    // after each single one of so many messages they would take the whole day
    pause: by === 'batches' ? dice.pick([0, 0, 0, 2]) : 0,
    rests: by === 'batches' ? dice.pick([0, 0, 0.01]) : dice.pick([0, 0.000_1]),
  };
}

function drawPouring(dice: Dice): PouringPlan {
  return {
    count: dice.between(5_000, 25_000),
    subjects: dice.chance(0.5) ? SUBJECTS : [dice.pick(SUBJECTS)],
    burst: dice.pick([100, 1_000, 10_000]),
    pause: dice.pick([1, 5, 20]),
    confirms: dice.pick([0, 0.1]),
    longMessages: dice.pick([0, 0, 0.05]),
  };
}

async function prepare(world: World, program: Program): Promise<void> {
  const { dice } = world;
  for (let count = dice.between(2, 5); count > 0; count -= 1) world.watch(program.read(drawReading(dice)));
}

function begin(world: World, programs: readonly Program[]): PlannedFault[] {
  const { dice } = world;
  let total = 0;
  // the first ones host: a host that is killed shall not take all publishers along
  for (const program of programs.slice(-dice.between(1, 3))) {
    const plan = drawPouring(dice);
    total += plan.count;
    world.watch(program.pour(plan));
  }
  const others = Array.from({ length: dice.between(1, 4) }, () => dice.pick(FAULTS));
  const faults = [dice.pick(['kill-host', 'kill-host-and-next'] as const), ...others];
  return faults.map((fault) => ({ fault, after: dice.between(1, total) }));
}

export const bulk: Scenario = { drawWeather, drawProcess, drawReading, prepare, begin };
