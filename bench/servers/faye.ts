/** Faye with its engine in memory. */
import faye from 'faye';
import { MOUNT } from '../wire.js';
import { serve } from './serve.js';

serve((http, { timeout }) => new faye.NodeAdapter({ mount: MOUNT, timeout }).attach(http));
