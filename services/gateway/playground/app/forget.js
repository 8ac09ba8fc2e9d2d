import { parse, visit } from "graphql";

// What the history may not keep: it outlives the visit, and anybody who sits down at the browser later can read it.
const secretName = /document|passport|token|secret|password|authorization/i;
const personName = /^(full|first|last|given|family)?_?name$/i;
const aboutPeople = /passenger|travel|person/i;

// A name is a person's where it stands among people, beside a document or beside the ticket that it is for. A station's stays.
function isForgotten(key, path, siblings) {
  if (secretName.test(key)) return true;
  return personName.test(key) && (path.some((each) => aboutPeople.test(each)) || siblings.some((each) => secretName.test(each) || each === "ticketId"));
}

// forgetInVariables empties the texts that are not to be kept. What cannot be read is forgotten whole.
export function forgetInVariables(text) {
  if (!text) return text;
  try {
    return JSON.stringify(forgetIn(JSON.parse(text), []), null, 2);
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

// forgetInQuery empties the same texts where they are written into the query itself.
export function forgetInQuery(query) {
  const forgotten = [];
  const path = [];
  const each = {
    enter(node, _key, siblings) {
      const names = Array.isArray(siblings) ? siblings.map((one) => one.name?.value ?? "") : [];
      if (isForgotten(node.name.value, path, names)) {
        forgotten.push(node.value.loc);
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
      VariableDefinition: {
        enter(node) {
          if (node.defaultValue && isForgotten(node.variable.name.value, path, [])) forgotten.push(node.defaultValue.loc);
          return undefined;
        },
      },
    });
  } catch {
    return "";
  }
  // From the end, so that what comes before stays where it was. A variable says nothing of its value.
  return forgotten
    .filter(({ startToken }) => startToken.kind !== "$")
    .sort((a, b) => b.start - a.start)
    .reduce((text, { start, end }) => `${text.slice(0, start)}""${text.slice(end)}`, query);
}

// forgetInHistory is what may be kept of what GraphiQL writes under its key "queries" or "favorites". Headers never are: they may
// have a token in them.
export function forgetInHistory(text) {
  try {
    const kept = Object.entries(JSON.parse(text)).map(([key, items]) => [
      key,
      items.map(({ headers: _, query, variables, ...rest }) => ({
        ...rest,
        query: forgetInQuery(query ?? ""),
        variables: forgetInVariables(variables),
      })),
    ]);
    return JSON.stringify(Object.fromEntries(kept));
  } catch {
    return null;
  }
}
