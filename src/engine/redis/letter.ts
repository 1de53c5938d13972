/** A message between nodes: who says it, its number there, how it is to be looked up, its channel, its JSON. */
export interface Letter {
  node: string;
  number: number;
  /** Whether subscribers by pattern do not hear it. */
  exact: boolean;
  channel: string;
  json: string;
}

/** Node names and channels hold no space. */
export const write = ({ node, number, exact, channel, json }: Letter): string =>
  `${node} ${number} ${exact ? '=' : '*'} ${channel} ${json}`;

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
  return { node, number: Number(number), exact: how === '=', channel, json: text.slice(from) };
}
