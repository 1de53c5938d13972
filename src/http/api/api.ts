/**
 * `/api/`: what was recorded, as JSON, for whoever has the admin token. Without one configured there is none of it. Times
 * are ISO 8601 in UTC; what is wrong is `{"error": …}` with a status that says whose fault it is.
 */
import { type RequestHandler, Router } from 'express';
import type { Logger } from 'pino';
import { bearerToken, sameSecret } from '../../authentication/server-token.js';
import type { Records } from '../../records/records.js';
import type { LogPage, UserLog } from '../../records/reports.js';
import { unknownOf } from '../../records/unknown.js';
import { failed, Refused } from './failures.js';
import { filterOf, pageOf, parametersOf } from './questions.js';

export interface ApiOptions {
  adminToken: string | undefined;
  /** Undefined where they are off. */
  records: Records | undefined;
  log: Logger;
}

export function api({ adminToken, records, log }: ApiOptions): Router {
  const router = Router();
  if (adminToken === undefined) return router;
  router.use(authorized(adminToken), onlyToRead, records ? routes(records) : off, nowhere, failed(log));
  return Router().use('/api', router);
}

function authorized(adminToken: string): RequestHandler {
  return (request, response, next) => {
    const token = bearerToken(request.headers.authorization);
    response.set('Cache-Control', 'no-store');
    if (token !== undefined && sameSecret(token, adminToken)) return next();
    response.set('WWW-Authenticate', 'Bearer');
    throw new Refused(401, 'Expected `Authorization: Bearer` with the admin token');
  };
}

const onlyToRead: RequestHandler = ({ method }, response, next) => {
  if (method === 'GET' || method === 'HEAD') return next();
  response.set('Allow', 'GET, HEAD');
  throw new Refused(405, `Expected GET or HEAD, got ${method}`);
};

const off: RequestHandler = () => {
  throw new Refused(404, 'Records are off: set DATABASE_URL');
};

const nowhere: RequestHandler = ({ originalUrl }) => {
  throw new Refused(404, `There is no ${originalUrl.split('?')[0]}`);
};

function routes(records: Records): Router {
  const router = Router();
  const unless = async <T>(
    report: T | undefined,
    asked: { user?: string | undefined; channel?: string | undefined },
  ): Promise<T> => {
    if (report === undefined) throw new Refused(404, await unknownOf(records, asked));
    return report;
  };

  router.get('/status', async ({ query }, response) => {
    response.json(await records.status(pageOf(query)));
  });

  router.get('/channels/*name', async ({ params, query }, response) => {
    const channel = channelOf(params.name);
    response.json(await unless(await records.channel(channel, pageOf(query)), { channel }));
  });

  router.get('/users/:user', async ({ params: { user }, query }, response) => {
    parametersOf(query, []);
    response.json(await unless(await records.user(user), { user }));
  });

  router.get('/users/:user/time', async ({ params: { user }, query }, response) => {
    const { channel, ...page } = pageOf(query, 'channel');
    const times = await records.time(user, { channel, ...page });
    response.json({ uid: user, ...(await unless(times, { user, channel })) });
  });

  router.get('/log', async ({ query }, response) => {
    const { user, ...filter } = filterOf(query);
    const { channel } = filter;
    const log = user === undefined ? await records.log(filter) : await records.userLog(user, filter);
    response.json(await unless<LogPage | UserLog>(log, { user, channel }));
  });

  return router;
}

/** `/api/channels/classes/4`, and the same with its slashes encoded. */
const channelOf = (segments: string[] | string | undefined): string =>
  `/${[segments ?? []].flat().join('/').replace(/^\//, '')}`;
