import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalTime } from '../../src/records/take-over/local-time.js';

const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());

describe('LocalTime', () => {
  it.each([
    ['UTC', '20131001123045', '2013-10-01T12:30:45.000Z'],
    ['Asia/Shanghai', '2013-10-01 12:30:45', '2013-10-01T04:30:45.000Z'],
    ['Asia/Kathmandu', '2013-10-01 12:30:45.123456', '2013-10-01T06:45:45.123Z'],
    ['Europe/Berlin', '20130701120000', '2013-07-01T10:00:00.000Z'],
    ['Europe/Berlin', '20130101120000', '2013-01-01T11:00:00.000Z'],
    // The hour that came twice, and the one that was left out.
    ['Europe/Berlin', '20131027023000', '2013-10-27T00:30:00.000Z'],
    ['Europe/Berlin', '20130331023000', '2013-03-31T01:30:00.000Z'],
  ])('in %s %s is %s', (zone, text, expected) => {
    expect(iso(new LocalTime(zone).parse(text))).toBe(expected);
  });

  it('reads back what a wall in any zone showed, but in the hour that came twice', () => {
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'Asia/Shanghai',
      'Australia/Lord_Howe',
      'America/St_Johns',
    ];
    const second = fc.integer({ min: Date.UTC(2010, 0) / 1000, max: Date.UTC(2026, 0) / 1000 });
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.array(second, { maxLength: 20 }), (zone, seconds) => {
        const local = new LocalTime(zone);
        const shown = (at: number) => new Date(at).toLocaleString('sv-SE', { timeZone: zone });
        for (const at of seconds.map((each) => each * 1000)) {
          const read = local.parse(shown(at));
          expect(shown(read ?? 0)).toBe(shown(at));
          expect(Math.abs((read ?? 0) - at)).toBeLessThanOrEqual(3_600_000);
        }
      }),
    );
  });

  it.each(['', 'yesterday', '20131301000000', '20130230000000', '2013-10-01', '20131001250000'])(
    'can not read %j',
    (text) => {
      expect(new LocalTime('UTC').parse(text)).toBeUndefined();
    },
  );

  it('refuses a zone that is none', () => {
    expect(() => new LocalTime('Berlin')).toThrow(
      'Expected a time zone such as "Europe/Berlin" or "UTC", got "Berlin"',
    );
  });
});
