/** Writes docs/configuration.md from the declarations in src/config/declarations. `npm run docs` */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT, type OptionRow, optionRows } from '../src/config/index.js';

const INTRO = `# Configuration

<!-- Written by \`npm run docs\` from the declarations in src/config/declarations. -->

The options are in \`faye.config.ts\`, in the folder where the server is started. Its name may also
end in \`.mts\`, \`.cts\`, \`.js\`, \`.mjs\`, \`.cjs\` or \`.json\`; the first of these that is there is read, and
\`faye-online start --config <file>\` reads any file. Everything is optional.

\`\`\`ts
import { defineConfig } from 'faye-online';

export default defineConfig({
  port: 9292,
  redis: 'redis://127.0.0.1:6379',
  authentication: { jwt: { jwks: 'https://login.example.com/.well-known/jwks.json' } },
});
\`\`\`

A flag (\`--port\`, \`--host\`) goes before the environment, and the environment before the file. An option that is wrong
or unknown and a variable that is wrong stop the start; the message names each of them, what was expected and what came.
An unknown variable that begins with FAYE_ONLINE_ is warned of. \`faye-online config\` shows what is in force, without its
secrets.
`;

const AUTHENTICATION = `## Which proof counts

1. \`authentication\` may have one of \`jwt\`, \`verify\` and \`trust: true\`; two are an error.
2. \`verify\` counts where it is configured. The function may use FAYE_ONLINE_SECRET itself, so it is not overruled by it;
   the start warns that the server does not use the variable.
3. \`jwt\` counts where it is configured, or where FAYE_ONLINE_SECRET is set. The variable takes the place of \`secret\`; with
   \`publicKey\` or \`jwks\` it is not used, and the start warns. It wins over \`trust: true\`: who set a secret does not mean
   to believe everybody.
4. Otherwise the browser is believed, with a warning, unless NODE_ENV is \`production\` or \`trust\` is false: then the
   server does not start.

A secret goes with HS256, HS384 and HS512, a public key or key set with the others; the kinds are never mixed.

## Records

Without Redis everything that is to be remembered is in \`./data/faye-online.db\`, which is made at the first start. With
Redis the database has to be named, by DATABASE_URL or \`records.url\`; until then nothing is recorded, and the start says
so. What is recorded, how a database of the gem is taken over, and what can be lost: [records.md](records.md).

## Redis and the engine

The engine is faye-online's own: without Redis in one process, with Redis on all nodes. Redis has to be of version 7.0 or
newer, or Valkey; an older one is refused, which the log says, and \`/readyz\` is 503.

A URL says where one Redis is, by TLS with \`rediss://\`. For anything else \`faye.config.ts\` makes a client of
[ioredis](https://github.com/redis/ioredis), which goes into your project by \`npm install ioredis\`; REDIS_URL, where it is
set, would be used instead. Each of these is a whole file. Sentinels:

\`\`\`ts
import { defineConfig } from 'faye-online';
import { Redis } from 'ioredis';

export default defineConfig({
  redis: new Redis({
    sentinels: [
      { host: '10.0.0.1', port: 26379 },
      { host: '10.0.0.2', port: 26379 },
    ],
    name: 'main',
    lazyConnect: true,
  }),
});
\`\`\`

A Redis Cluster, by some of its nodes. It can't be given by REDIS_URL, nor by any URL: one that names a node of it is refused.

\`\`\`ts
import { defineConfig } from 'faye-online';
import { Cluster } from 'ioredis';

export default defineConfig({
  redis: new Cluster(
    [
      { host: '10.0.0.1', port: 6379 },
      { host: '10.0.0.2', port: 6379 },
    ],
    { lazyConnect: true },
  ),
});
\`\`\`

TLS with certificates of your own:

\`\`\`ts
import { readFileSync } from 'node:fs';
import { defineConfig } from 'faye-online';
import { Redis } from 'ioredis';

export default defineConfig({
  redis: new Redis({
    host: 'redis.example.com',
    port: 6379,
    password: process.env.REDIS_PASSWORD,
    tls: { ca: readFileSync('/etc/redis/ca.crt') },
    lazyConnect: true,
  }),
});
\`\`\`

A function that makes the client:

\`\`\`ts
import { defineConfig } from 'faye-online';
import { Redis } from 'ioredis';

export default defineConfig({
  redis: { client: () => new Redis({ path: '/run/redis/redis-server.sock' }) },
});
\`\`\`

An instance is left alone: the server opens connections like it, whose commands fail at once while Redis is away. It needs none
itself (\`lazyConnect\`). What a function returns is used as it is: it is called for each connection, and for a Cluster once,
with connections like those to its masters to listen. All of them are closed at the stop.

The path of a URL is the number of a database, 0 without one. A number that Redis does not have is refused: the log and
\`/healthz\` say so, \`/readyz\` is 503, and nothing is written into another database. A \`/\`, \`?\`, \`#\`, \`@\` or \`%\` of a password
is percent-encoded (\`%2F\`, \`%3F\`, \`%23\`, \`%40\`, \`%25\`); a URL in which it is not stops the start.

A user of Redis' ACL that has no other right than it needs, for the namespace \`faye\`:

\`\`\`
ACL SETUSER faye-online on >password resetkeys ~/faye/* resetchannels &* -@all +@connection +@hash +@list +@set +@sortedset +@stream +@string +@pubsub +@transaction -@dangerous +eval +evalsha +info +time +scan +del +exists +expire +pexpire +pexpireat +pttl
\`\`\`

- The channels are \`&*\`: to subscribe to a pattern, as a client's \`/rooms/*\` needs, Redis permits only by a rule of exactly that
  pattern, or by \`&*\`. Redis 7's default for a new user is no channel at all.
- In another database than 0 the keys are \`~/faye/* ~/faye@*\`: messages go to Pub/Sub channels that name the database, and the
  script that publishes them has these as keys.
- With Redis Cluster they are \`~/faye/* ~/{faye:*}/*\`, and \`+cluster|slots +cluster|info +readonly +readwrite +asking\` is
  added.
- Sentinels have users of their own: the connection to them needs what
  [Redis' documentation](https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/) says of clients.
- The engine faye-redis needs \`~/faye/*\` as well, and no more commands.

A Redis that can be reached and answers with errors is as good as away. The log says once why (\`Redis refuses commands\`,
with the reason), and once that it is over; \`/healthz\` and \`/readyz\` show it, and \`/readyz\` is 503. Nothing has to be restarted
once the cause is gone:

| Redis says | for | and then |
| --- | --- | --- |
| \`READONLY\` | the address leads to a replica, as after a failover | the connections are made anew, until they reach the master |
| \`OOM\` | \`maxmemory\` is reached | within 10 s of free memory |
| \`MISCONF\`, \`NOREPLICAS\` | it can't save its data, or has too few replicas | within 10 s |
| \`LOADING\`, \`MASTERDOWN\`, \`BUSY\` | it is not ready, or a script of somebody runs too long | within 10 s |
| \`NOAUTH\`, \`WRONGPASS\` | password or user are wrong | within 10 s of being right |
| \`NOPERM\` | the user may not run a command, or has no right to a key or a channel | within 20 s of the right |
| \`ERR DB index is out of range\` | it has fewer databases | once it is started with more |

With Redis Cluster channels and clients are divided among \`partitions\`, each on one master. Their number is written into
Redis by the first node; a node that has another is refused.

While Redis is away, what a node has to say to the others waits in its memory: 10,000 messages, or 16 MB of them, with Redis
Cluster for each partition. Beyond that the oldest are dropped: clients of other nodes never get those. Each is counted, as
\`dropped: messages to other nodes, while Redis was away\` in \`server.counters\`, and as that \`event\` of
\`faye_online_events_total\` at \`/metrics\`. Lists come right all the same, as all are sent again. What waits at a node that is
killed meanwhile is lost as well.

In an app of your own, \`createEngine({ redis })\` alone carries messages to the clients of every process, but does not follow a client
whose next poll or socket reaches another process: \`attachPresence\` with the same \`redis\` does that. Without it the balancer
needs sticky sessions.

The engine faye-redis connects by URL alone, so that Sentinels, a socket file, TLS with certificates of its own, or a
function that returns a client take an \`engineUrl\` for it; it can use no Cluster:

\`\`\`ts
import { defineConfig } from 'faye-online';
import { Redis } from 'ioredis';

export default defineConfig({
  engine: 'faye-redis',
  redis: {
    client: new Redis({ sentinels: [{ host: '10.0.0.1', port: 26379 }], name: 'main', lazyConnect: true }),
    engineUrl: 'redis://10.0.0.3:6379',
  },
});
\`\`\`

Its keys begin with a slash and the \`namespace\`: \`namespace: 'faye'\` here is \`namespace: '/faye'\` in the options of the package
faye-redis. Nodes that run the package by itself share clients with these only if they have it with the slash; with
\`namespace: 'faye'\` their keys are \`faye/clients\` and not \`/faye/clients\`, and nobody hears of the other. A namespace with another slash
in it, such as \`/app/faye\`, can't be given here.

## Behind a load balancer

Several servers with one Redis and one \`namespace\` are one server to clients. A balancer in front may give each request, poll
and socket to any of them, in turn: **no sticky sessions** (but for polling clients of the engine faye-redis). What it needs:

- **WebSocket upgrades pass**: HTTP/1.1 to the server, with the headers Upgrade and Connection. Where they do not, clients
  go on by long-polling.
- **The Host that the browser asked for**, which tells whether a page is of the server's own origin.
- **Its place in X-Forwarded-For, and \`trustProxy\`**: 1 with one balancer, 2 where there is a CDN before it. Without it all
  clients count as one address, the balancer's, and share the limits of one: 5,000 clients at each server, 200 handshakes a second
  (\`limits.clientsPerAddress\`, \`rates\`). The servers' own port is then for the balancer alone: who reaches it otherwise may
  write any address there.
- **Idle time-outs longer than \`timeout\` and \`ping\`** (10 and 30 s): a poll is silent for the one, a socket or stream for the
  other. With the 60 s of most balancers nothing is to be done.
- **\`keepAliveTimeout\` longer than the balancer keeps its connections to a server.** Otherwise the server closes an idle connection
  in the moment in which the balancer sends a request on it, and the client gets a 502. The server closes after 5 s by default. An
  AWS load balancer keeps idle connections for 60 s (\`keepAliveTimeout: 65\`), one of Google Cloud for 600 s
  (\`keepAliveTimeout: 620\`), nginx with \`keepalive\` in the \`upstream\` block for 60 s. The nginx example below opens a
  connection for each request and needs nothing.
- **Responses not buffered**: else EventSource streams hear nothing.
- **Health checks at \`/readyz\`**: 200, or 503 while Redis is away or refuses commands. Then all servers say so, and go on serving whom they have; a
  balancer that would turn everybody away where all are unhealthy asks \`/healthz\`, which is 200 while the process serves.
- **Another server where one refuses the connection.** A client that gets an error instead tries again by itself, npm's
  after 5 s.

A whole example for nginx, as \`/etc/nginx/conf.d/faye-online.conf\`, with \`trustProxy: 1\` at both servers:

\`\`\`nginx
upstream faye_online {
    server 10.0.0.11:9292 fail_timeout=2s;
    server 10.0.0.12:9292 fail_timeout=2s;
}

map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      close;
}

server {
    listen 443 ssl;
    server_name online.example.com;
    ssl_certificate     /etc/ssl/certs/online.example.com.pem;
    ssl_certificate_key /etc/ssl/private/online.example.com.key;

    location / {
        proxy_pass http://faye_online;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_buffering off;
        proxy_connect_timeout 2s;
        proxy_read_timeout 75s;
        proxy_send_timeout 75s;
    }
}
\`\`\`

Pages connect to \`https://online.example.com/faye\`. In a site that has other paths, \`/faye\` and \`/faye-online/\` go to the servers.
nginx holds two connections for each client: \`worker_connections\` (768 on Debian) and \`worker_rlimit_nofile\` have to be above
twice the number of clients that a worker has. It has no health checks of its own, and finds a server that is gone by its
refused connections.

**To stop one server**, for an update, send it SIGTERM. It accepts no more, closes its sockets and streams, answers its polls, and
ends with 0 within 3 s (5 just after Redis was away; a second signal ends it at once). Its clients have \`grace\` (8 s) to come
back, and do, by the balancer, at another server: with their clientId and subscriptions, and what waited for them; nobody sees
them leave. Give it 10 s before a SIGKILL: Docker's default, and less than systemd's. pm2 kills after 1.6 s by default: set
\`kill_timeout: 10000\` in its ecosystem file. So update one server after the other: stop it, start the new
one, wait for 200 from its \`/readyz\`, and until \`faye-online nodes\` lists it, before the next. A balancer that would not try
another server takes it out before the SIGTERM, and in again after \`/readyz\`.

An app of your own closes its HTTP server first, by \`http.close()\`, and then calls \`attached.close()\`, \`bayeux.close()\` and
\`engine.close()\`. Polls are then answered with \`Connection: close\`, so that their clients poll another server.
`;

/** The whole of docs/configuration.md. */
export function configurationPage(): string {
  const options = [['Option', 'Type, unit', 'Default', 'Limits', 'What it does'], ...optionRows().map(cells)];
  const variables = Object.entries(ENVIRONMENT).map(([name, doc]) => [`\`${name}\``, doc]);
  return [
    INTRO,
    `## Options\n\n${table(options)}`,
    `## Environment\n\nAn empty variable counts as not set. \`attachPresence\` reads only NODE_ENV, LOG_LEVEL, FAYE_ONLINE_SECRET and\nFAYE_ONLINE_SERVER_TOKEN: port, host, Redis and database are the app's own.\n\n${table([['Variable', 'What it does'], ...variables])}`,
    AUTHENTICATION,
  ].join('\n');
}

const cells = ({ path, type, default: fallback, limits, doc }: OptionRow): string[] => [
  `\`${path}\``,
  type.replace(/^an? /, ''),
  fallback,
  limits.replace(/^from /, ''),
  doc,
];

function table([head = [], ...rows]: string[][]): string {
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}

const line = (row: string[]): string => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationPage());
}
