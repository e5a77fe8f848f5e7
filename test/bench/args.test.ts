// The command line of the bench.
import { expect, it } from 'vitest';
import { knownCases, readCommandLine } from '../../scripts/bench/args.mjs';
import { knownSystems } from '../../scripts/bench/systems.mjs';

const read = (line: string) => readCommandLine(line === '' ? [] : line.split(' '));

it('without options every case and every system is measured in three rounds', () => {
  expect(read('')).toMatchObject({ only: knownCases, systems: knownSystems, rounds: 3 });
});

it('a quick run is one round of fewer and smaller cells', () => {
  const [all, quick] = [read(''), read('--quick')];
  expect(quick.rounds).toBe(1);
  expect(quick.only.length).toBeLessThan(all.only.length);
  expect(quick.sizes.length * quick.receivers.length).toBeLessThan(all.sizes.length * all.receivers.length);
});

it('what is said wins over what --quick would take', () => {
  const setup = read('--quick --sizes 16,1KiB,1MiB --receivers 2 --rounds 5 --peers 10 --only growth,idle');
  expect(setup).toMatchObject({ sizes: [16, 1024, 1024 * 1024], receivers: [2], rounds: 5, peers: [10] });
  expect(setup.only).toEqual(['growth', 'idle']);
});

it('a comparison measures a few cases and says what fails it', () => {
  const setup = read('--compare main~1 --fail-below 0.5');
  expect(setup).toMatchObject({ compare: 'main~1', failBelow: 0.5, rounds: 3 });
  expect(setup.only.length).toBeLessThan(knownCases.length);
});

it.each([
  ['--only speed', /--only knows fan-out.*not "speed"/],
  ['--systems rabbit', /--systems knows mailslot.*not "rabbit"/],
  ['--sizes 3', /--sizes takes sizes from 16 on/],
  ['--sizes 1GB', /--sizes takes sizes from 16 on/],
  ['--rounds 0', /--rounds takes whole numbers above 0/],
  ['--receivers 1,x', /--receivers takes whole numbers above 0, not "x"/],
  ['--fail-below 0.5', /--fail-below needs --compare/],
  ['--compare main --fail-below 2', /--fail-below takes a ratio up to 1/],
  ['--compare main --systems nats', /--compare takes no --systems/],
  ['--fast', /--fast/],
])('%s is refused with what it takes', (line, message) => {
  expect(() => read(line)).toThrow(message);
  expect(() => read(line)).toThrow(TypeError);
});
