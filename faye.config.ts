// What this server is to do. Every option is here with its default: take away the // and change it.
// docs/configuration.md says what each does. The environment (PORT, HOST, REDIS_URL, DATABASE_URL, LOG_LEVEL,
// FAYE_ONLINE_SECRET, FAYE_ONLINE_SERVER_TOKEN) wins over this file. What is wrong or unknown here stops the start.
import { defineConfig } from 'faye-online';

export default defineConfig({
  // ── Where it listens ───────────────────────────────────────────────────────────────────────────────────────────────
  // port: 9292, //                   0 takes any that is free
  // host: '127.0.0.1', //            so where the browser is trusted; otherwise '0.0.0.0', every address
  // mount: '/faye', //               Bayeux; Faye's script is at /faye/client.js
  // adminToken: undefined, //        opens /api/, and /metrics from elsewhere; better in FAYE_ONLINE_ADMIN_TOKEN
  // demo: true, //                   the page at /; only where the browser is trusted, and not in production
  // logLevel: 'info', //             fatal, error, warn, info, debug, trace, silent
  // ── Faye ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  // timeout: 10, //                  seconds that a poll is held; a client silent for twice this is gone
  // ping: 30, //                     seconds between two pings of a WebSocket
  // relay: [], //                    fields of a publish that subscribers get beside channel, data and id
  // extensions: [], //               Faye extensions of your own, run after ours
  // ── From where, and how ────────────────────────────────────────────────────────────────────────────────────────────
  // origins: '*', //                 in production [], its own pages alone; others as ['https://example.com']
  // trustProxy: 0, //                proxies in front; the client's address is that entry from the end of X-Forwarded-For
  // keepAliveTimeout: 5, //          seconds that an idle HTTP connection is kept; longer than the load balancer keeps it
  // jsonp: false, //                 JSON-P and callback-polling, for browsers without CORS
  // compression: false, //           permessage-deflate on WebSockets; costs memory and CPU for each socket
  // ── More than one process ──────────────────────────────────────────────────────────────────────────────────────────
  // redis: undefined, //             'redis://127.0.0.1:6379', an ioredis Redis or Cluster, or a function that makes one
  // engine: 'faye-online', //        or 'faye-memory', for one process; or 'faye-redis', with Redis
  // namespace: 'faye', //            first part of every key in Redis
  // ── What is remembered ─────────────────────────────────────────────────────────────────────────────────────────────
  // records: {
  //   url: 'sqlite:./data/faye-online.db', // 'mysql://…', 'postgres://…', or 'none'; with Redis 'none' is the default
  //   keep: undefined, //            days that rows of the login log and stays are kept; for ever
  //   hashClientIds: false, //       keeps a hash in place of each clientId
  //   timeZone: undefined, //        of the server of a gem database that is to be taken over: 'Asia/Shanghai'
  //   logTimeZone: undefined, //     of its log, where that is another: 'UTC'
  //   oldViews: false, //            views in the shape of the gem's tables
  //   journalBound: 1_000_000, //    entries that wait while the database is away
  // },
  // ── Who is who, and may do what: one of jwt, verify and trust ──────────────────────────────────────────────────────
  // authentication: {
  //   jwt: {
  //     secret: undefined, //        at least 32 characters; better in FAYE_ONLINE_SECRET
  //     publicKey: undefined, //     or the issuer's public key, PEM
  //     jwks: undefined, //          or the issuer's key set: 'https://login.example.com/.well-known/jwks.json'
  //     algorithms: ['HS256'], //    with a key: RS256, PS256, ES256, EdDSA
  //     issuer: undefined, //        the iss that a token must have
  //     audience: undefined, //      the aud that a token must have
  //     clockTolerance: 5, //        seconds that the issuer's clock may be off
  //   },
  //   verify: async (message, request) => null, // → { uid, uname, channels? }, or null
  //   trust: true, //                believes the browser; the default without the two above, never in production
  //   serverToken: undefined, //     at least 16 characters; better in FAYE_ONLINE_SERVER_TOKEN
  //   mayEnter: (identity, channel) => false, // rooms beside those that the identity names
  //   maySubscribe: (identity, channel) => identity !== null,
  //   mayPublish: (identity, channel) => identity !== null,
  // },
  // expiryGrace: 60, //              seconds after its token's exp that a client stays in what it entered with it
  // validMessage: (message, request) => true, // false or a text refuses it
  // ── Presence ───────────────────────────────────────────────────────────────────────────────────────────────────────
  // gc: 5, //                        seconds between two looks for what a crash left behind
  // grace: 8, //                     seconds that a client has to come back after its socket closed
  // leaveDelay: 3, //                seconds that a page may take to reload without being seen to leave
  // windows: { base: 50, perUser: 0.2, max: 1500 }, // milliseconds that changes of a channel are gathered
  // channelPattern: undefined, //    what room and time channels must match: /^[0-9a-z/]+$/i, as the gem had it
  // limits: {
  //   channelLength: 255, //         characters
  //   uidLength: 128, //             characters
  //   unameLength: 255, //           characters
  //   identityBytes: 4096, //        bytes of JSON
  //   userListLimit: 1000, //        users in one list; the count stays exact
  //   messageBytes: 65_536, //       bytes of one message, or of an HTTP body
  //   batchLength: 100, //           messages in one array
  //   subscriptions: 100, //         of one client
  //   waitingMessages: 1000, //      that wait for a polling client; the oldest are dropped
  //   waitingBytes: 1_048_576,
  //   unsentBytes: 1_048_576, //     bytes that wait for one client; with more it is disconnected
  //   clientsPerAddress: 5000, //    on one node
  // },
  // rates: { //                      a second, counted over 10 s; what is beyond is refused with 429
  //   messagesPerClient: 100,
  //   messagesPerAddress: 5000,
  //   handshakesPerAddress: 200,
  // },
});
