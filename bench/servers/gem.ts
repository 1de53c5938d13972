/** The algorithm of faye-online, the Ruby gem, on Faye: each `/meta/connect` publishes the whole list. */
import faye, { type Message } from 'faye';
import { MOUNT } from '../wire.js';
import { serve } from './serve.js';

interface Auth {
  room_channel: string;
  current_user: { uid: number };
}

serve((http, { timeout }) => {
  const adapter = new faye.NodeAdapter({ mount: MOUNT, timeout });
  const rooms = new Map<string, Map<string, number>>();
  const entered = new Map<string, string>();

  const list = (channel: string) => {
    const uids = new Set(rooms.get(channel)?.values());
    adapter.getClient().publish(`${channel}/user_list`, { count: uids.size, user_list: [...uids] });
  };
  adapter.addExtension({
    incoming(message: Message, callback: (message: Message) => void) {
      const { channel, clientId, auth } = message as Message & { auth?: Auth };
      if (channel === '/meta/connect' && clientId && auth) {
        const room = rooms.get(auth.room_channel) ?? new Map<string, number>();
        rooms.set(auth.room_channel, room.set(clientId, auth.current_user.uid));
        entered.set(clientId, auth.room_channel);
        list(auth.room_channel);
      }
      callback(message);
    },
  });
  adapter.on('disconnect', (clientId) => {
    const channel = entered.get(clientId);
    entered.delete(clientId);
    if (channel !== undefined && rooms.get(channel)?.delete(clientId)) list(channel);
  });
  adapter.attach(http);
});
