import { script } from '../../redis/scripts.js';

/** lua/engine/publish.lua */
export const publish = script<number>('engine/publish');
