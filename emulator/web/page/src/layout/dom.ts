/** Elements by name: text is always text (textContent), never markup, and styles are never attributes. */

export type Child = Node | string | null;
export type Attributes = Record<string, string | boolean | number | ((event: never) => void) | undefined>;

/** An element: functions are heard ("click"), true is an attribute without a value, false and undefined are none. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value as EventListener);
    else if (value === true) made.setAttribute(name, "");
    else if (name === "style" || name.startsWith("on")) throw new Error(`no ${name} attributes: the page's policy forbids them`);
    else made.setAttribute(name, String(value));
  }
  fill(made, children);
  return made;
}

export function fill(element: Element, children: readonly Child[]): void {
  element.replaceChildren(...children.filter((each): each is Node | string => each !== null));
}

/** Touches the page only where something is different. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | null): void {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** Disabled with the reason as its title; null: enabled, with its own title. */
export function enable(element: HTMLButtonElement | HTMLInputElement | HTMLSelectElement, whyNot: string | null): void {
  element.disabled = whyNot !== null;
  element.dataset["title"] ??= element.title;
  const title = whyNot ?? element.dataset["title"];
  if (element.title !== title) element.title = title;
}

/**
 * Gives `list` a child for each item: those that are there by the same key stay, so that focus and scrolling do.
 * `draw` writes what may have changed.
 */
export function sync<Item>(
  list: Element,
  items: readonly Item[],
  key: (item: Item) => string,
  make: (item: Item) => HTMLElement,
  draw: (element: HTMLElement, item: Item) => void = () => undefined,
): void {
  const there = new Map<string, HTMLElement>();
  for (const child of Array.from(list.children) as HTMLElement[]) there.set(child.dataset["key"] ?? "", child);
  let next: Element | null = list.firstElementChild;
  for (const item of items) {
    const of = key(item);
    let element = there.get(of);
    if (element === undefined) {
      element = make(item);
      element.dataset["key"] = of;
    }
    there.delete(of);
    draw(element, item);
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const gone of there.values()) gone.remove();
}

/** A button with a text that says what it does. */
export function button(text: string, title: string, click: () => void, kind = ""): HTMLButtonElement {
  return el("button", { type: "button", class: kind, title, click }, text);
}

/** Options of a select: the chosen one stays chosen while it is there. */
export function setOptions(select: HTMLSelectElement, options: readonly (readonly [value: string, text: string])[]): void {
  const now = Array.from(select.options, (each) => `${each.value}\n${each.text}`).join("\n\n");
  if (now === options.map((each) => each.join("\n")).join("\n\n")) return;
  const chosen = select.value;
  fill(select, options.map(([value, text]) => el("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}
