/** What was asked can't be answered as it was asked; the message says what was expected, and what came. */
export class BadQuestion extends Error {
  readonly code = 'BAD_QUESTION';
  override readonly name = 'BadQuestion';
}
