import { visitByPosts } from './posts.js';
import { visitByRequests } from './raw-requests.js';
import { visitByFrames, visitBySocket } from './sockets.js';
import { type Ground, Visitor } from './visitor.js';
import type { Visit } from './visits.js';

/** One visit, from its first word until its connections are cut. */
export async function play(visit: Visit, ground: Ground): Promise<void> {
  const visitor = new Visitor(ground, visit);
  if (visit.by === 'posts') await visitByPosts(visitor, visit.posts, visit.eventSource);
  else if (visit.by === 'socket') await visitBySocket(visitor, visit.says, visit.farewell);
  else if (visit.by === 'requests') await visitByRequests(visitor, visit.requests);
  else await visitByFrames(visitor, visit.upgrade, visit.frames);
}
