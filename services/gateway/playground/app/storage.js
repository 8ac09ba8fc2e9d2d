// Where GraphiQL keeps things. The tabs live as long as the browser tab, so that a reload loses no work, but the next
// visit starts with ready tabs whose dates are right; the look and the history stay.
const sessionKeys = new Set(["tabState", "query", "variables", "headers"].map((name) => `graphiql:${name}`));

function home(key) {
  return sessionKeys.has(key) ? sessionStorage : localStorage;
}

export const tabStorage = {
  getItem: (key) => home(key).getItem(key),
  setItem: (key, value) => home(key).setItem(key, value),
  removeItem: (key) => home(key).removeItem(key),
  clear: clearTabs,
  get length() {
    return sessionStorage.length + localStorage.length;
  },
};

export function clearTabs() {
  for (const key of sessionKeys) sessionStorage.removeItem(key);
}
