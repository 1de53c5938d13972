/// <reference path="./bayeux/faye.d.ts" preserve="true" />
/** The package `faye-online`: a server from a config, or presence on a Faye server of your own. */
export { type AttachedPresence, type AttachOptions, attachPresence } from './attach-presence.js';
export { type Extension, extension, type FayeExtension } from './bayeux/extension.js';
export { type Config, ConfigError, defineConfig } from './config/index.js';
export { type CreatedEngine, createEngine, type EngineOptions } from './create-engine.js';
export { Refused } from './errors.js';
export type { Identity, User } from './presence/identity.js';
export type { Presence } from './presence/presence.js';
export type { Snapshot } from './presence/store.js';
export type { LogFilter, Records, RecordsState, Reports } from './records/records.js';
export type {
  ChannelReport,
  ChannelStatus,
  LogPage,
  LogRow,
  OnlineStatus,
  Page,
  UserLog,
  UserTime,
  UserTimes,
  Whereabouts,
} from './records/reports.js';
export { createServer, type FayeOnlineServer } from './server.js';
export type { ServerStatus, Status } from './status.js';
export type { UserList } from './views/user-list.js';
