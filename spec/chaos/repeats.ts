/**
 * Judges that no tab is shown one list again and again. A few times are right: for each subscription, with a new socket, and
 * after an outage. More is a loop, of which each poll is answered at once.
 */
const MOST = 10;

export class Repeats {
  private readonly times = new Map<string, number>();

  /** True as it is once too often, and not again: a loop is one violation. */
  isTooOften(tab: string, place: string): boolean {
    const shown = `${tab} ${place}`;
    const times = (this.times.get(shown) ?? 0) + 1;
    this.times.set(shown, times);
    return times === MOST + 1;
  }
}
