/**
 * The configuration: what an operator may say, each option declared once in declarations/ with its sentence, unit,
 * limits and default; the messages, docs/configuration.md and the docstrings of `Config` (a spec compares them) follow
 * from there. Outside this folder only this file is imported, and file.ts by the command: whoever has the server in an
 * app of theirs needs no loader of TypeScript files.
 */

export { ConfigError } from '../errors.js';
export { ENVIRONMENT } from './declarations/environment.js';
export type { PresenceConfig } from './presence.js';
export { resolveConfig, resolveEngine, resolvePresence } from './resolve.js';
export type * from './resolved.js';
export { type OptionRow, optionRows } from './rows.js';
export { hidePassword } from './shown.js';
export type * from './types.js';
export { defineConfig } from './types.js';
