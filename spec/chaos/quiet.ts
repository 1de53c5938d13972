/**
 * What must be right once it is quiet: undefined, or what is not. While tabs live every list is the truth, on every
 * node and in every tab; once all have gone nothing is left, in Redis or in a node.
 */
import type { Cluster } from './cluster.js';
import { ROOMS, TIME } from './history.js';
import type { Tab } from './tab.js';

const CHANNELS = [...ROOMS, TIME];
/** Keys that stay: the epoch, leases, what expires by itself, and a journal that somebody reads. */
const KEPT = ['epoch', 'nodes', 'nodes/about', 'nodes/terms', 'journal', 'partitions'];
const EXPIRING = 'rates/';

export async function wrongWithLists(cluster: Cluster, tabs: readonly Tab[]): Promise<string | undefined> {
  const living = tabs.filter(({ isWanted }) => isWanted);
  for (const tab of living) if (tab.waitsFor) return `${tab.name} waits ${tab.waitsFor}`;
  const truth = new Map(CHANNELS.map((channel) => [channel, usersIn(channel, living)]));
  return (await wrongInNodes(cluster, truth)) ?? wrongInTabs(living, truth);
}

export async function leftOver(cluster: Cluster): Promise<string | undefined> {
  const keys = (await cluster.servers.keys()).filter((key) => {
    const name = key.split('/').slice(2).join('/');
    return !KEPT.includes(name) && !name.startsWith(EXPIRING);
  });
  if (keys.length > 0) return `keys are left: ${keys.slice(0, 20).join(', ')}`;
  for (const { name, node } of cluster.places) {
    const held = Object.entries((await node?.ask({ ask: 'held' })) ?? {}).filter(([, count]) => count > 0);
    if (held.length > 0) return `${name} still holds ${JSON.stringify(Object.fromEntries(held))}`;
  }
  return undefined;
}

function usersIn(channel: string, tabs: readonly Tab[]): string {
  return text(new Set(tabs.filter((tab) => tab.channels.includes(channel)).map(({ uid }) => uid)));
}

async function wrongInNodes(cluster: Cluster, truth: Map<string, string>): Promise<string | undefined> {
  for (const { name, node } of cluster.places) {
    const lists = (await node?.ask({ ask: 'lists', channels: CHANNELS })) ?? [];
    for (const [index, channel] of CHANNELS.entries()) {
      const list = text(lists[index] ?? []);
      if (list !== truth.get(channel))
        return `${name} lists [${list}] in ${channel}, where [${truth.get(channel)}] are`;
    }
  }
  return undefined;
}

function wrongInTabs(tabs: readonly Tab[], truth: Map<string, string>): string | undefined {
  for (const tab of tabs) {
    for (const channel of tab.watched) {
      const shown = tab.shown.get(channel);
      const list = shown && text(shown.user_list.map(String));
      if (list !== truth.get(channel))
        return `${tab.name} was last shown [${list}] (version ${shown?.version}) in ${channel}, where [${truth.get(channel)}] are`;
    }
  }
  return undefined;
}

const text = (uids: Iterable<string>): string => [...uids].sort().join(' ');
