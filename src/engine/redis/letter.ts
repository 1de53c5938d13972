/** A message between nodes: who says it, its number there, how it is to be looked up, for whom it is not, its channel, its JSON. */
export interface Letter {
  node: string;
  number: number;
  /** Whether subscribers by pattern do not hear it. */
  exact: boolean;
  /** Clients that have had it. */
  except: readonly string[];
  channel: string;
  json: string;
}

/** Node names, clientIds and channels hold no space, and clientIds no comma. */
export const write = ({ node, number, exact, except, channel, json }: Letter): string =>
  `${node} ${number} ${exact ? '=' : '*'}${except.join(',')} ${channel} ${json}`;

/** Undefined for what is no letter. */
export function read(text: string): Letter | undefined {
  const head: string[] = [];
  let from = 0;
  while (head.length < 4) {
    const to = text.indexOf(' ', from);
    if (to < 0) return undefined;
    head.push(text.slice(from, to));
    from = to + 1;
  }
  const [node = '', number, how = '', channel = ''] = head;
  const except = how.length > 1 ? how.slice(1).split(',') : [];
  return { node, number: Number(number), exact: how[0] === '=', except, channel, json: text.slice(from) };
}
