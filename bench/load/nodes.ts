/** Clients go to the nodes in turn. */

/** Where the client of this number goes. */
export function portOf(ports: readonly number[], index: number): number {
  const port = ports[index % ports.length];
  if (port === undefined) throw new Error('Expected at least one node, got none');
  return port;
}
