/** A socket.io client over one WebSocket, with just what the load needs. */
import { WebSocketClient } from './socket.js';

/** engine.io 4: `0…` opens, `2` is its ping, `3` the answer; `40` and `42` are socket.io's connect and event. */
export class SocketIoClient {
  /** The text of each event. */
  onEvent: (text: string) => void = () => {};
  private answered: () => void = () => {};

  private constructor(readonly socket: WebSocketClient) {
    socket.onText = (text) => this.heard(text);
  }

  /** A client that is not yet connected. */
  static async open(port: number): Promise<SocketIoClient> {
    let opened = () => {};
    const opening = new Promise<void>((resolve) => {
      opened = resolve;
    });
    const address = { port, path: '/socket.io/?EIO=4&transport=websocket' };
    const socket = await WebSocketClient.open(address, (text) => {
      if (text.startsWith('0')) opened();
    });
    await opening;
    return new SocketIoClient(socket);
  }

  /** Resolves when it is answered. */
  connect(auth?: object): Promise<void> {
    this.socket.send(auth ? `40${JSON.stringify(auth)}` : '40');
    return new Promise((resolve) => {
      this.answered = resolve;
    });
  }

  private heard(text: string): void {
    if (text.startsWith('42')) this.onEvent(text);
    else if (text.startsWith('40')) this.answered();
    else if (text === '2') this.socket.send('3');
    else throw new Error(`Expected an event, a ping or that it is connected, got ${text}`);
  }
}
