/** The one connection to the server: opened again when it is lost, asked by numbers, answered by promises. */

import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Answer, EnterSchema, ToPageSchema, ToServerSchema } from "./web_pb";
import type { Mesh } from "../state/mesh";

type Ask = NonNullable<MessageInitShape<typeof ToServerSchema>["ask"]>;

/** Close codes of the server: what makes no sense to try again. */
const REFUSED = 4401;
const FIRST_AGAIN_MS = 500;
const MOST_AGAIN_MS = 10_000;

export class Wire {
  private socket: WebSocket | null = null;
  private number = 0;
  private againMs = FIRST_AGAIN_MS;
  private readonly waiting = new Map<number, (answer: Answer | Error) => void>();
  /** What is shown and watched: asked for again after the connection was lost. */
  private readonly standing = new Map<string, Ask>();

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly mesh: Mesh,
  ) {}

  open(): void {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      const newest = this.mesh.events.at(-1)?.number ?? 0n;
      this.send({ case: "enter", value: create(EnterSchema, { token: this.token, afterEvent: newest }) });
      for (const ask of this.standing.values()) this.send(ask);
      this.mesh.connected("open");
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      this.againMs = FIRST_AGAIN_MS; // not at onopen: one that closes at once is not asked twice a second for ever
      const message = fromBinary(ToPageSchema, new Uint8Array(event.data));
      if (message.news.case === "answer") this.answered(message.news.value);
      else this.mesh.take(message);
    };
    socket.onclose = (event) => this.lost(event);
  }

  /** Its answer; rejects with the server's sentence where it could not be done. */
  ask(ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.socket?.readyState !== WebSocket.OPEN) {
        reject(new Error("there is no connection to the server now"));
        return;
      }
      const number = this.send(ask);
      this.waiting.set(number, (answer) => {
        if (answer instanceof Error) reject(answer);
        else if (answer.error !== "") reject(new Error(answer.error));
        else resolve(answer);
      });
    });
  }

  /** Asks for something that lasts (Show, Watch): in place of the last one of its kind. */
  keep(ask: Ask): Promise<Answer> {
    this.standing.set(String(ask.case), ask);
    return this.ask(ask);
  }

  private send(ask: Ask): number {
    const number = ++this.number;
    this.socket?.send(toBinary(ToServerSchema, create(ToServerSchema, { number, ask })));
    return number;
  }

  private answered(answer: Answer): void {
    this.waiting.get(answer.number)?.(answer);
    this.waiting.delete(answer.number);
  }

  private lost(event: CloseEvent): void {
    this.socket = null;
    for (const settle of this.waiting.values()) settle(new Error("the connection was lost"));
    this.waiting.clear();
    if (event.code === REFUSED) {
      this.mesh.connected("refused", event.reason);
      return;
    }
    this.mesh.connected("lost", event.reason);
    setTimeout(() => this.open(), this.againMs);
    this.againMs = Math.min(2 * this.againMs, MOST_AGAIN_MS);
  }
}
