/** Who a client of the load is, and where. */

/** What goes with each message of a user who is in the room. */
export const signedIn = (uid: number, room: string) => ({
  room_channel: room,
  time_channel: `${room}/time`,
  current_user: { uid, uname: `user ${uid}` },
});

export interface UserList {
  count: number;
  user_list: number[];
}

/** The lists in what a client was sent, oldest first. */
export function listsIn(text: string, room: string): UserList[] {
  const messages = JSON.parse(text) as { channel: string; data?: UserList }[];
  return messages.flatMap(({ channel, data }) => (channel === `${room}/user_list` && data ? [data] : []));
}
