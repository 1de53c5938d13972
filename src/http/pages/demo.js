// The page to try it with: joins a room with faye-online's client and shows its user_list.
// Text that people typed gets into the page as text only (textContent).

const MOUNT = document.documentElement.dataset.mount;
const NAME_KEY = 'faye-online:name';
/** One segment of a channel name, by the Bayeux grammar. */
const SEGMENT = /^[a-zA-Z0-9\-_!~()$@]+$/;
/** Channels that end in one of these are the server's. */
const RESERVED = ['user_list', 'presence'];
const LOG_LENGTH = 100;
/** What a server accepts only where it can do its work. */
const IN_USE = ['/meta/connect', '/meta/subscribe'];

const byId = (id) => document.getElementById(id);
/** Angles of the colour wheel that can be told apart. */
const HUES = [6, 30, 48, 95, 150, 182, 208, 250, 285, 328];
const minutes = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const seconds = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });
const number = new Intl.NumberFormat();

/** What this tab is in, or undefined: { client, name, word, users, since, away }. */
let stay;

// ---------------------------------------------------------------------------------------------- joining and leaving

function join(name, word) {
  const room = `/rooms/${word}`;
  stay = { name, word, users: undefined, since: new Map(), away: false };
  remember(name);
  if (roomInUrl() !== word) history.replaceState(null, '', `#${word}`);
  showRoom(room);
  stay.client = Faye.initOnlineClient({
    faye_url: MOUNT,
    auth_opts: {
      room_channel: room,
      time_channel: `${room}/time`,
      current_user: { uid: name, uname: name },
    },
    onError: showRefusal,
  });
  follow(stay, room);
}

function follow(own, room) {
  const whileHere = (step) => (value) => own === stay && step(value);
  own.client.on('transport:down', whileHere(lost));
  own.client.addExtension({
    outgoing: (message, pass) => pass(soonAnswered(own, message)),
    incoming(message, pass) {
      if (message.successful && IN_USE.includes(message.channel)) whileHere(back)();
      pass(message);
    },
  });
  own.client.subscribe(`${room}/user_list`, whileHere(showList));
}

function leave() {
  stay.client.disconnect();
  stay = undefined;
  store(() => sessionStorage.removeItem(NAME_KEY));
  showWelcome();
}

function lost() {
  setConnection('waiting', 'Reconnecting');
  if (!stay.away) log('note', 'Connection lost');
  stay.away = true;
}

/** A handshake that was answered is not enough: the server may be there and its Redis not. */
function back() {
  if (stay.away) log('note', 'Connected again');
  stay.away = false;
  setConnection('live', 'Live');
}

/** The server would keep the answer to a connect for its `timeout`; who was away is to know at once. */
function soonAnswered(own, message) {
  if (own.away && message.channel === '/meta/connect') message.advice = { timeout: 0 };
  return message;
}

/** A client that the server has forgotten comes back by itself, and so does one whose server has lost its Redis. */
function showRefusal({ code, message }, { advice }) {
  if (!stay) return;
  if (code === 503) {
    lost();
    return;
  }
  if (code === 401 && advice?.reconnect !== 'none') return;
  setConnection('refused', 'Refused');
  showNotice(`The server refused: ${message} (${code})`);
}

// ---------------------------------------------------------------------------------------------- the list

function showList({ count, user_list, version, truncated }) {
  const users = user_list.map(String);
  if (stay.users && !truncated) logChanges(stay.users, users);
  else if (!stay.users) log('note', `You joined ${others(count)}`);
  stay.users = users;
  showNotice('');
  back();
  showCount(count);
  showUsers(users);
  byId('version').textContent = `List version ${number.format(version)}`;
  byId('truncated').hidden = !truncated;
  byId('truncated').textContent = `The first ${number.format(users.length)} of ${number.format(count)}.`;
}

function others(count) {
  if (count < 2) return 'an empty room';
  return count === 2 ? 'one other' : `${number.format(count - 1)} others`;
}

function showCount(count) {
  byId('count').textContent = number.format(count);
  byId('count-text').textContent = count === 1 ? 'person online' : 'people online';
  document.title = `(${count}) #${stay.word} · faye-online`;
}

function logChanges(before, after) {
  for (const uid of without(after, before)) {
    stay.since.set(uid, new Date());
    log('came', ' came', uid);
  }
  for (const uid of without(before, after)) {
    stay.since.delete(uid);
    log('went', ' left', uid);
  }
}

function without(users, others) {
  const left = new Set(users);
  for (const uid of others) left.delete(uid);
  return left;
}

/** Rows stay the same elements while their user does, so that only a new one is animated. */
function showUsers(users) {
  const list = byId('users');
  const rows = new Map(Array.from(list.children, (row) => [row.dataset.uid, row]));
  list.replaceChildren(...users.map((uid) => rows.get(uid) ?? userRow(uid)));
}

function userRow(uid) {
  const row = element('li', stay.since.has(uid) ? 'user new' : 'user');
  row.dataset.uid = uid;
  const text = element('div', 'user-text');
  text.append(element('p', 'name', uid), element('p', 'since', sinceText(uid)));
  row.append(avatar(uid), text);
  if (uid === stay.name) row.append(element('span', 'you', 'you'));
  return row;
}

function sinceText(uid) {
  const since = stay.since.get(uid);
  if (since) return `since ${minutes.format(since)}`;
  return uid === stay.name ? 'in this tab' : 'here before you';
}

function avatar(name) {
  const circle = element('span', 'avatar', initials(name));
  circle.setAttribute('aria-hidden', 'true');
  circle.style.setProperty('--hue', hue(name));
  return circle;
}

/** Ada Lovelace is AL, Person 11 is P11. */
function initials(name) {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const first = words[0] ?? name.trim();
  const last = words.length > 1 ? words[words.length - 1] : '';
  const number = /\d{1,2}$/.exec(name.trim())?.[0] ?? '';
  const end = number === first ? '' : number || firstLetter(last);
  return `${firstLetter(first)}${end}`.toUpperCase();
}

const firstLetter = (word) => [...word][0] ?? '';

/** The same for a name in every tab (FNV-1a). */
function hue(name) {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  return String(HUES[((hash ^ (hash >>> 16)) >>> 0) % HUES.length]);
}

// ---------------------------------------------------------------------------------------------- the log

/** One line: what, or who did what. */
function log(kind, text, uid) {
  const line = element('li', kind);
  const words = element('p', '', text);
  if (uid !== undefined) words.prepend(element('b', '', uid));
  const now = new Date();
  const time = element('time', '', seconds.format(now));
  time.dateTime = now.toISOString();
  line.append(time, element('span', 'sign'), words);
  const lines = byId('log');
  lines.prepend(line);
  while (lines.children.length > LOG_LENGTH) lines.lastElementChild.remove();
}

// ---------------------------------------------------------------------------------------------- what is shown

function showRoom(room) {
  byId('welcome').hidden = true;
  byId('joined').hidden = false;
  byId('room-name').textContent = `#${stay.word}`;
  byId('channel').textContent = room;
  byId('count').textContent = '–';
  byId('count-text').textContent = 'joining';
  byId('version').textContent = '';
  byId('users').replaceChildren();
  byId('log').replaceChildren();
  byId('same-name').textContent = stay.name;
  byId('same').href = `/#${stay.word}`;
  byId('other').href = `/?new#${stay.word}`;
  showNotice('');
  setConnection('waiting', 'Connecting');
}

function showWelcome() {
  byId('welcome').hidden = false;
  byId('joined').hidden = true;
  byId('connection').hidden = true;
  document.title = 'faye-online';
  byId('room').value = roomInUrl() || 'lobby';
  byId('name').focus();
  byId('name').select();
}

function setConnection(state, text) {
  byId('connection').hidden = false;
  byId('connection').dataset.state = state;
  // Set anew, the same text would be read out anew.
  if (byId('connection-text').textContent !== text) byId('connection-text').textContent = text;
}

function showNotice(text) {
  byId('notice').hidden = text === '';
  byId('notice').textContent = text;
}

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// ---------------------------------------------------------------------------------------------- the form

function submit(event) {
  event.preventDefault();
  const name = byId('name').value.trim();
  const word = byId('room').value.trim().replace(/^#/, '');
  const wrong = [
    [byId('name'), byId('name-error'), name === '' ? 'Enter a name.' : ''],
    [byId('room'), byId('room-error'), faultOf(word)],
  ];
  for (const [field, place, text] of wrong) showFault(field, place, text);
  const first = wrong.find(([, , text]) => text);
  if (first) first[0].focus();
  else join(name, word);
}

/** What is wrong with a room's name, or nothing. */
function faultOf(word) {
  if (word === '') return 'Enter a room.';
  if (!SEGMENT.test(word)) return 'Only letters a–z, digits and - _ ! ~ ( ) $ @, no spaces and no slashes.';
  return RESERVED.includes(word) ? `“${word}” is reserved for the server. Take another name.` : '';
}

function showFault(field, place, text) {
  field.setAttribute('aria-invalid', String(text !== ''));
  place.hidden = text === '';
  place.textContent = text;
}

// ---------------------------------------------------------------------------------------------- what is remembered

/** The name is kept for this browser, and for this tab that it is in a room, so that a reload joins again. */
function remember(name) {
  store(() => localStorage.setItem(NAME_KEY, name));
  store(() => sessionStorage.setItem(NAME_KEY, name));
}

/** A browser may forbid to store anything; then nothing is remembered. */
function store(step) {
  try {
    return step();
  } catch {
    return undefined;
  }
}

function roomInUrl() {
  const word = store(() => decodeURIComponent(location.hash.slice(1))) ?? '';
  return faultOf(word) === '' ? word : '';
}

function moveWithUrl() {
  const word = roomInUrl();
  if (!stay) {
    if (word) byId('room').value = word;
  } else if (word && word !== stay.word) {
    const { name } = stay;
    leave();
    join(name, word);
  }
}

function start() {
  if (!globalThis.Faye?.initOnlineClient) {
    showNotice("The client's scripts did not load. Is the server built (npm run build)?");
    return;
  }
  const joined = store(() => sessionStorage.getItem(NAME_KEY));
  const isNew = new URLSearchParams(location.search).has('new');
  byId('name').value = isNew ? '' : (store(() => localStorage.getItem(NAME_KEY)) ?? '');
  byId('join').addEventListener('submit', submit);
  byId('leave').addEventListener('click', leave);
  addEventListener('hashchange', moveWithUrl);
  if (joined && roomInUrl()) join(joined, roomInUrl());
  else showWelcome();
}

start();
