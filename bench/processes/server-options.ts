/** What a server that is measured is started with. */
export interface ServerOptions {
  /** Seconds that a `/meta/connect` is held. */
  timeout: number;
  compression?: boolean;
  /** Seconds between two looks of our reaper. */
  gc?: number;
  engine?: 'faye-online' | 'faye-memory';
  redisPort?: number;
  /** The URL of a database for what is recorded. Default: nothing is. */
  database?: string;
}
