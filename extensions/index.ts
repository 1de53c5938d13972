/** The Faye extensions of faye-online, in the order in which messages pass them. */

export { type Extension, extension } from '../src/bayeux/extension.js';
export { Refused } from '../src/errors.js';
export { type AuthenticateOptions, authenticate } from './authenticate.js';
export { type AuthorizeOptions, authorize } from './authorize.js';
export { available } from './available.js';
export { BEFORE_LEAVE, beforeLeave } from './before-leave.js';
export { presence } from './presence.js';
export { type ValidMessage, validMessage } from './valid-message.js';
export { type ValidateOptions, validate } from './validate.js';
export { VISIBILITY, visibility } from './visibility.js';
