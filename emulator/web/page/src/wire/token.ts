/** The token that the page was opened with: in the address after #, so that it is never sent in a request. */

const KEPT_AS = "orbitmesh-token";

/** Kept for this tab, so that a reload has it; and taken from the address bar, where others could read it. */
export function takeToken(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.setItem(KEPT_AS, given);
    return given;
  }
  return sessionStorage.getItem(KEPT_AS) ?? "";
}
