/** For a `<script>` tag after Faye's own: `Faye.init_online_client(options)`, as the faye-online gem has it. */
import type { Client } from 'faye';
import { type FayeLibrary, initOnlineClient, type OnlineClientOptions } from './index.js';

interface WithOnlineClient {
  init_online_client?: (options: OnlineClientOptions) => Client;
  initOnlineClient?: (options: OnlineClientOptions) => Client;
}

const { Faye } = globalThis as { Faye?: FayeLibrary & WithOnlineClient };
if (!Faye)
  throw new Error("Expected Faye's own script (/faye/client.js) before faye-online's, got no `Faye`");

Faye.initOnlineClient = (options) => initOnlineClient(options);
Faye.init_online_client = Faye.initOnlineClient;
