/** The number of this event-loop turn: one immediate for all who ask in it. */
let turn = 1;
let counting = false;

export function thisTurn(): number {
  if (!counting) {
    counting = true;
    setImmediate(() => {
      counting = false;
      turn += 1;
    });
  }
  return turn;
}
