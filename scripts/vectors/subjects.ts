// Subjects, patterns, and who matches whom.
import { matches } from '../../src/wire/subject.js';

const longest = 'a'.repeat(255);

const subjects = {
  valid: ['a', 'mail', 'mail.new', 'A-Z_a-z.0-9', '-', '_', '0', 'a.b.c.d.e.f.g.h', longest],
  invalid: [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a.*',
    'a.>',
    '*',
    '>',
    'ä',
    'a/b',
    '$a',
    'a.$b',
    'a\n',
    `${longest}a`,
  ],
};

const patterns = {
  valid: ['a', '*', '>', 'a.*', '*.b', 'a.>', '*.>', 'a.*.c', '*.*', longest],
  invalid: [
    '',
    '.',
    'a.',
    '>.a',
    'a.>.b',
    'a*',
    '*a',
    'a>',
    'a.b>',
    '**',
    'a..>',
    '$presence.*',
    `${longest}a`,
  ],
};

/** Valid for slots of peers that speak to the bus itself, though no user may name them. */
const system = {
  valid: ['$peers', '$presence.joined', '$presence.*', '$presence.>'],
  invalid: ['$', '$*', '$>', '$.a', '$$a', 'a.$b'],
};

const pairs = [
  ['a', 'a'],
  ['a', 'A'],
  ['a', 'a.b'],
  ['a.b', 'a'],
  ['*', 'a'],
  ['*', 'a.b'],
  ['>', 'a'],
  ['>', 'a.b.c'],
  ['a.*', 'a'],
  ['a.*', 'a.b'],
  ['a.*', 'a.b.c'],
  ['a.>', 'a'],
  ['a.>', 'a.b'],
  ['a.>', 'a.b.c'],
  ['*.b', 'a.b'],
  ['*.b', 'a.c'],
  ['a.*.c', 'a.b.c'],
  ['a.*.c', 'a.b.d'],
  ['*.>', 'a'],
  ['*.>', 'a.b'],
  ['>', '$presence.joined'],
  ['*.joined', '$presence.joined'],
  ['*.>', '$presence.joined'],
  ['$presence.*', '$presence.joined'],
  ['$presence.>', '$presence.joined'],
  ['$presence.joined', '$presence.joined'],
] as const;

export function subjectSamples(): object {
  const found = pairs.map(([pattern, subject]) => ({ pattern, subject, matches: matches(pattern, subject) }));
  return { subjects, patterns, system, matches: found };
}
