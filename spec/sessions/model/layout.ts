/** Which partition a channel is in. The records of all sessions are in partition 0, the home partition. */

export type PartitionId = 0 | 1;
export type Channel = 'r0' | 'r1' | 'r2';
export type PartitionOf = Readonly<Record<Channel, PartitionId>>;

export const CHANNELS: readonly Channel[] = ['r0', 'r1', 'r2'];
export const HOME: PartitionId = 0;
export const FOREIGN: PartitionId = 1;

const TWO_PARTITIONS: PartitionOf = { r0: HOME, r1: FOREIGN, r2: FOREIGN };
const ONE_PARTITION: PartitionOf = { r0: HOME, r1: HOME, r2: HOME };

export class Layout {
  private readonly partitionOf: PartitionOf;

  constructor(isSingle: boolean) {
    this.partitionOf = isSingle ? ONE_PARTITION : TWO_PARTITIONS;
  }

  get homeChannels(): Channel[] {
    return CHANNELS.filter((channel) => this.isHome(channel));
  }

  partition(channel: Channel): PartitionId {
    return this.partitionOf[channel];
  }

  isHome(channel: Channel): boolean {
    return this.partition(channel) === HOME;
  }

  isForeign(channel: Channel): boolean {
    return this.partition(channel) === FOREIGN;
  }
}

/** The key of a membership. */
export const membershipKey = (channel: Channel, id: string): string => `${channel} ${id}`;

export function parseMembershipKey(key: string): { channel: Channel; id: string } {
  const [channel, id] = key.split(' ') as [Channel, string];
  return { channel, id };
}
