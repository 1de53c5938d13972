/** The steps of the engine that must be one; each also makes the step of faye-redis that it replaces safe to be sent twice. */
import { luaOf } from '../../redis/scripts.js';

export const DESTROY = luaOf('faye-redis/destroy');
export const GIVE_BACK = luaOf('faye-redis/give-back');
export const PUBLISH = luaOf('faye-redis/publish');
export const SUBSCRIBE = luaOf('faye-redis/subscribe');
export const TAKE = luaOf('faye-redis/take');
