import { forgetInHistory } from "./forget.js";

// Where GraphiQL keeps things. The tabs live as long as the browser tab, so that a reload loses no work, but the next
// visit starts with ready tabs whose dates are right; the look and the history stay.
const tabsKey = "graphiql:tabState";

// The open tab's contents a second time. GraphiQL writes them and the tabs at different moments, and after a reload in
// between it takes the difference for a new tab. The tabs alone say everything.
const neverKept = new Set(["query", "variables", "headers"].map((name) => `graphiql:${name}`));

// Until the user drags the bar between query and variables: half and half, for the ready tabs' variables say what is
// published and bought, and are worth reading.
const defaults = new Map([["graphiql:secondaryEditorFlex", "1.2"]]);

// The history and its favourites outlive the visit, so that names, documents and headers are left out of them.
const history = new Set(["queries", "favorites"].map((name) => `graphiql:${name}`));

// An earlier version has kept them: what it left is cleaned before it is used.
for (const key of history) {
  const kept = localStorage.getItem(key);
  if (kept !== null) keepHistory(key, kept);
}

function keepHistory(key, text) {
  const kept = forgetInHistory(text);
  if (kept === null) localStorage.removeItem(key);
  else localStorage.setItem(key, kept);
}

function home(key) {
  return key === tabsKey ? sessionStorage : localStorage;
}

export const tabStorage = {
  getItem: (key) => (neverKept.has(key) ? null : (home(key).getItem(key) ?? defaults.get(key) ?? null)),
  setItem: (key, value) => {
    if (history.has(key)) keepHistory(key, value);
    else if (!neverKept.has(key)) home(key).setItem(key, value);
  },
  removeItem: (key) => home(key).removeItem(key),
  clear: clearTabs,
  get length() {
    return sessionStorage.length + localStorage.length;
  },
};

export function clearTabs() {
  sessionStorage.removeItem(tabsKey);
}
