/** When the page is on the screen for the first time. */

/** A page that nobody sees is not painted: it goes on all the same. */
const MOST_MS = 1000;

export function painted(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, MOST_MS);
    if (PerformanceObserver.supportedEntryTypes.includes("paint")) {
      const seen = new PerformanceObserver((entries) => {
        if (entries.getEntriesByName("first-contentful-paint").length === 0) return;
        seen.disconnect();
        resolve();
      });
      seen.observe({ type: "paint", buffered: true });
    } else requestAnimationFrame(() => setTimeout(resolve)); // the frame after this has been drawn
  });
}
