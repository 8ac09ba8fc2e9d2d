import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "graphql";
import { forgetInHistory, forgetInOperation, forgetInVariables } from "./forget.js";

test("documents and the names of passengers are forgotten, and nothing else", () => {
  const variables = {
    order: {
      idempotencyKey: "a key",
      from: "VNP",
      passengers: [{ name: "Li Wei", documentNumber: "110101", seatClass: "SECOND", wish: { coach: "3" } }],
    },
    correct: { ticketId: "t", name: "Li Wei", reason: "typing" },
    who: { name: "Li Wei", passportNo: "110101" },
    station: { code: "VNP", name: "Beijing South" },
    documents: ["110101", { number: "110101" }],
    token: "e30.e30.e30",
  };
  const kept = forgetInVariables(JSON.stringify(variables));
  for (const secret of ["Li Wei", "110101", "e30"]) assert.ok(!kept.includes(secret), `${secret} is in ${kept}`);
  assert.deepEqual(JSON.parse(kept), {
    order: {
      idempotencyKey: "a key",
      from: "VNP",
      passengers: [{ name: "", documentNumber: "", seatClass: "SECOND", wish: { coach: "3" } }],
    },
    correct: { ticketId: "t", name: "", reason: "typing" },
    who: { name: "", passportNo: "" },
    station: { code: "VNP", name: "Beijing South" },
    documents: "",
    token: "",
  });
  for (const text of [undefined, ""]) assert.equal(forgetInVariables(text), text);
  assert.equal(forgetInVariables('{ "documentNumber": "110101", // mine\n }'), "", "what cannot be read is not kept");
  for (const text of ["[]", "null", "1", '"x"']) assert.equal(JSON.parse(forgetInVariables(text))?.toString(), JSON.parse(text)?.toString());
});

test("what is written into a query is forgotten, and the rest stays to the last comment", () => {
  const query = `# mine
mutation Buy($n: String = "Li Na", $station: String = "kept", $documentNumber: String = "110101") {
  placeOrder(input: {passengers: [{name: "Li Wei", documentNumber: """110101""", seatClass: SECOND}, {name: $n, documentNumber: $documentNumber}]}) {
    order { tickets { passenger { name documentNumberMasked } } }
  }
  publishStation(input: {code: $station, name: "Beijing South"}) { station { name } }
}`;
  const kept = forgetInOperation({ query }).query;
  assert.equal(
    kept,
    query.replace('"""110101"""', '""').replace('"110101"', '""').replace('"Li Wei"', '""').replace('"Li Na"', '""'),
  );
  parse(kept);
  assert.equal(forgetInOperation({ query: "{ broken" }).query, "");
});

test("variables are forgotten by what they are used as, whatever their names are", () => {
  const query = `mutation($k: ID!, $n: String!, $d: String!, $others: [String!], $one: String, $t: ID!, $station: String!) {
  placeOrder(input: {idempotencyKey: $k, passengers: [{name: $n, documentNumber: $d}]}) { order { id } }
  ...Correct
  publishStation(input: {code: "VNP", name: $station}) { station { name } }
}
fragment Correct on Mutation {
  correctPassengerName(input: {ticketId: $t, name: $n}) { order { id } }
  check(documents: [$one], more: {documents: $others}) { id }
}`;
  const variables = { k: "a key", n: "Li Wei", d: "110101", others: ["110102"], one: "110103", t: "a ticket", station: "Beijing South" };
  const kept = forgetInOperation({ query, variables: JSON.stringify(variables) });
  assert.deepEqual(JSON.parse(kept.variables), { ...variables, n: "", d: "", others: "", one: "" });
  assert.equal(kept.query, query.replace("[$one]", '""'));
  const item = { query, variables: JSON.stringify(variables) };
  assert.ok(!/Li Wei|11010/.test(forgetInHistory(JSON.stringify({ queries: [item] }))));
  // What it is used as cannot be told, so that it may be anything.
  assert.equal(forgetInOperation({ query: "{ broken", variables: '{"d":"110101"}' }).variables, "");
  for (const text of [undefined, "", "null", "[]", "1"]) forgetInOperation({ query, variables: text });
});

test("headers are not kept, whatever they are", () => {
  const item = { query: "{ viewer { subject } }", variables: "", headers: '{"Authorization":"Bearer e30"}', operationName: "x", label: "mine", favorite: true };
  for (const key of ["queries", "favorites"]) {
    const kept = JSON.parse(forgetInHistory(JSON.stringify({ [key]: [item] })));
    const { headers: _, ...rest } = item;
    assert.deepEqual(kept, { [key]: [rest] });
  }
  assert.equal(forgetInHistory("not JSON"), null);
});
