import { expect, it } from 'vitest';
import { momentOf } from '../../src/records/moment.js';

it.each([
  ['2026-01-31', '2026-01-31T00:00:00.000Z'],
  ['2026-01-31T12:30', '2026-01-31T12:30:00.000Z'],
  ['2026-01-31 12:30:15', '2026-01-31T12:30:15.000Z'],
  ['2026-01-31T12:30:15.5Z', '2026-01-31T12:30:15.500Z'],
  ['2026-01-31T12:30:15+02:00', '2026-01-31T10:30:15.000Z'],
  ['2024-02-29', '2024-02-29T00:00:00.000Z'],
])('%s is %s', (text, iso) => {
  expect(new Date(momentOf(text, 'from')).toISOString()).toBe(iso);
});

it.each([
  'yesterday',
  '',
  '2026',
  '1700000000',
  '31.01.2026',
  '2026-13-01',
  '2026-02-30',
  '2026-01-31T25:00',
  '2026-01-31T12:00:00 and more',
])('%j is none', (text) => {
  expect(() => momentOf(text, 'from')).toThrow(
    `Expected \`from\` to be a time such as 2026-01-31 or 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`,
  );
});
