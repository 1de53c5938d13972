/** What a node tells of itself, for a whole server and for presence on an app's own adapter. */
import type { Attached } from './attach.js';
import type { RecordsState } from './records/records.js';
import type { FellowStatus } from './sessions/redis/nodes.js';

export interface Status {
  /** For people. */
  engine: string;
  store: string;
  /** Clients of this node that are signed in, and the users that they are. */
  clients: number;
  users: number;
  /** Channels and patterns that clients of this node subscribe to. */
  channels: number;
  /** Null where they are off. */
  records: RecordsState | null;
}

export interface ServerStatus extends Status {
  /** All living nodes, oldest first, and which of them is this one; none where our engine is not on Redis. */
  nodes: FellowStatus[];
}

export const statusOf = ({ bayeux, store, presence, records }: Attached): Status => ({
  engine: bayeux.online.status.description,
  store: store.status.description,
  ...presence.sizes,
  channels: bayeux.subscriptions.size,
  records: records?.state ?? null,
});
