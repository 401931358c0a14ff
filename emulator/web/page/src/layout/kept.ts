/** What the viewer arranged, kept by the browser for the next time; where it may not, nothing is kept. */

const PREFIX = "orbitmesh.";

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // a browser that is told to keep nothing: the page works the same
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    return; // as above
  }
}
