/**
 * Calls a listener of the app. What it throws, or what its promise rejects with, goes to `failed`: a mistake there must stop
 * neither the step that it is told of nor the listeners after it.
 */
export function callListener(listener: () => unknown, failed: (error: unknown) => void): void {
  try {
    const outcome = listener();
    if (outcome instanceof Promise) outcome.catch(failed);
  } catch (error) {
    failed(error);
  }
}
