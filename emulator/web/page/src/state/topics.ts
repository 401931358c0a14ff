/** Who wants to know that something has changed: a topic each, told after the state is whole again. */

export type Hear = () => void;

export class Topics<Topic extends string> {
  private readonly hearers = new Map<Topic, Set<Hear>>();

  /** Until the function that is given back is called. */
  on(topic: Topic, hear: Hear): () => void {
    const all = this.hearers.get(topic) ?? new Set<Hear>();
    this.hearers.set(topic, all.add(hear));
    return () => all.delete(hear);
  }

  tell(topic: Topic): void {
    for (const hear of this.hearers.get(topic) ?? []) hear();
  }
}
