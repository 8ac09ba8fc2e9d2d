import { parse, visit } from "graphql";

// What the history may not keep: it outlives the visit, and the next user of the browser can read it.
const secretName = /document|passport|token|secret|password|authorization/i;
const personName = /^(full|first|last|given|family)?_?name$/i;
const aboutPeople = /passenger|travel|person/i;

// A name is a person's where it stands among people, beside a document or beside the ticket that it is for. A station's stays.
function isForgotten(key, path, siblings) {
  if (secretName.test(key)) return true;
  return personName.test(key) && (path.some((each) => aboutPeople.test(each)) || siblings.some((each) => secretName.test(each) || each === "ticketId"));
}

// forgetInVariables empties the texts that are not to be kept, and the variables of these names whole. What cannot be read is
// forgotten whole.
export function forgetInVariables(text, names = new Set()) {
  if (!text) return text;
  try {
    const kept = forgetIn(JSON.parse(text), []);
    for (const name of names) if (Object.hasOwn(kept ?? {}, name)) kept[name] = "";
    return JSON.stringify(kept, null, 2);
  } catch {
    return "";
  }
}

function forgetIn(value, path) {
  if (Array.isArray(value)) return value.map((each) => forgetIn(each, path));
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value);
  return Object.fromEntries(
    keys.map((key) => [key, isForgotten(key, path, keys) ? "" : forgetIn(value[key], [...path, key])]),
  );
}

// forgetInOperation empties the same texts where they are written into the query itself, and the variables that bring them,
// whatever their names are.
export function forgetInOperation({ query = "", variables }) {
  const forgotten = [];
  const bringing = new Set();
  const defaults = [];
  const path = [];
  const each = {
    enter(node, _key, siblings) {
      const names = Array.isArray(siblings) ? siblings.map((one) => one.name?.value ?? "") : [];
      if (isForgotten(node.name.value, path, names)) {
        forgotten.push(node.value.loc);
        visit(node.value, { Variable: (variable) => void bringing.add(variable.name.value) });
        return false;
      }
      path.push(node.name.value);
      return undefined;
    },
    leave() {
      path.pop();
    },
  };
  try {
    visit(parse(query), {
      Argument: each,
      ObjectField: each,
      Field: { enter: (node) => void path.push(node.name.value), leave: () => void path.pop() },
      VariableDefinition: (node) => void defaults.push(node),
    });
  } catch {
    return { query: "", variables: query ? "" : forgetInVariables(variables) };
  }
  for (const { variable, defaultValue } of defaults) {
    const name = variable.name.value;
    if (defaultValue && (bringing.has(name) || isForgotten(name, [], []))) forgotten.push(defaultValue.loc);
  }
  // From the end, so that what comes before stays where it was. Which variable it is may be known, its value not.
  const kept = forgotten
    .filter(({ startToken }) => startToken.kind !== "$")
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end }) => `${text.slice(0, start)}""${text.slice(end)}`, query);
  return { query: kept, variables: forgetInVariables(variables, bringing) };
}

// forgetInHistory is what may be kept of what GraphiQL writes under its key "queries" or "favorites". Headers never are: they may
// have a token in them.
export function forgetInHistory(text) {
  try {
    const kept = Object.entries(JSON.parse(text)).map(([key, items]) => [
      key,
      items.map(({ headers: _, query, variables, ...rest }) => ({ ...rest, ...forgetInOperation({ query, variables }) })),
    ]);
    return JSON.stringify(Object.fromEntries(kept));
  } catch {
    return null;
  }
}
