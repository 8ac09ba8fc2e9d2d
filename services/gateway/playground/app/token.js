// The viewer's token: who the requests of this page are from. It lives in sessionStorage, so it is gone with the tab and
// never shared with another one, and it is sent to our own origin only.
const storageKey = "interlock:token";

const listeners = new Set();

export function currentToken() {
  return sessionStorage.getItem(storageKey) ?? "";
}

export function setToken(text) {
  // People paste what they have: the bare token, or a whole header value with line breaks from a terminal.
  const token = text.replace(/\s+/g, " ").trim().replace(/^(authorization:\s*)?bearer /i, "").replaceAll(" ", "");
  if (token) sessionStorage.setItem(storageKey, token);
  else sessionStorage.removeItem(storageKey);
  for (const listener of listeners) listener();
}

export function subscribeToken(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// A link like /playground#token=… arrives with a token. A fragment never reaches a server; it is taken out of the
// address bar too, so that the token is in no bookmark, no history entry and no screenshot.
export function takeTokenFromFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  setToken(token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

// What a token says about itself, for showing only: who may do what is decided by the server, which checks it.
export function describeToken(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return {
      subject: typeof claims.sub === "string" ? claims.sub : "",
      roles: [claims.roles ?? []].flat().map(String),
      expiresAt: typeof claims.exp === "number" ? new Date(claims.exp * 1000) : null,
    };
  } catch {
    return null;
  }
}
