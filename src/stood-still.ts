/**
 * Timers of a process that stood still (stopped, swapped out, busy with something long) run before what has come in
 * meanwhile is read: who is judged by silence then may have spoken.
 */

/** Milliseconds; by less every busy process is late. */
const LATE = 1_000;

/** Whether a timer that was `due` then runs so late that this process stood still. Both in ms, of one clock. */
export const stoodStill = (due: number, now = performance.now()): boolean => now - due > LATE;
