/** Who is in which room: of one process, or in Redis for many. */

/** The uids of all clients that are in the room then. */
type Then = (uids: readonly (number | string)[]) => void;

export interface Rooms {
  enter(room: string, clientId: string, uid: number, then: Then): void;
  leave(room: string, clientId: string, then: Then): void;
}

export class MemoryRooms implements Rooms {
  private readonly rooms = new Map<string, Map<string, number>>();

  enter(room: string, clientId: string, uid: number, then: Then): void {
    const clients = this.rooms.get(room) ?? new Map<string, number>();
    this.rooms.set(room, clients.set(clientId, uid));
    then([...clients.values()]);
  }

  leave(room: string, clientId: string, then: Then): void {
    const clients = this.rooms.get(room);
    if (clients?.delete(clientId)) then([...clients.values()]);
  }
}

/** What of a client is needed: redis 3's or ioredis'. */
interface RedisClient {
  hset(key: string, field: string, value: number): void;
  hdel(key: string, field: string): void;
  hvals(key: string, callback: (error?: Error | null, values?: string[]) => void): void;
}

export class RedisRooms implements Rooms {
  constructor(private readonly redis: RedisClient) {}

  enter(room: string, clientId: string, uid: number, then: Then): void {
    this.redis.hset(room, clientId, uid);
    this.read(room, then);
  }

  leave(room: string, clientId: string, then: Then): void {
    this.redis.hdel(room, clientId);
    this.read(room, then);
  }

  private read(room: string, then: Then): void {
    this.redis.hvals(room, (error, uids = []) => {
      if (error) throw error;
      then(uids);
    });
  }
}
