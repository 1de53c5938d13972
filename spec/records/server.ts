/** What the specs of records run on: a server, and databases of their own in it. */

export interface SqlServer {
  /** The URL of an empty database of its own. */
  database(): Promise<string>;
  dispose(): Promise<void>;
  /** Of a server that can be ended and come back with its data. */
  stop?(): Promise<void>;
  start?(): Promise<void>;
  /** Of one that can be made to hang. */
  pause?(): void;
  resume?(): void;
}
