// graphql-js 15 and 16 make the schema from the server's introspection. It is the one of schema.graphql.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as graphql16 from "graphql";
import graphql15 from "graphql-15";
import { timeout, url } from "../shop.mjs";

const written = readFileSync(new URL("../../../schema.graphql", import.meta.url), "utf8");

async function introspect(query) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

// same compares two schemas as the library itself writes them, with all descriptions.
function same({ lexicographicSortSchema, printSchema }, served, expected) {
  const [one, other] = [served, expected].map((schema) => printSchema(lexicographicSortSchema(schema)).split("\n"));
  const onlyIn = (lines, others) => lines.filter((line) => !others.includes(line));
  assert.deepEqual(onlyIn(one, other), [], "served, and not in schema.graphql");
  assert.deepEqual(onlyIn(other, one), [], "in schema.graphql, and not served");
  assert.deepEqual(one, other);
}

test("graphql-js 16", { timeout }, async () => {
  const { assertValidSchema, buildClientSchema, buildSchema, getIntrospectionQuery, version } = graphql16;
  assert.match(version, /^16\./);
  const options = {
    descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true,
    inputValueDeprecation: true, oneOf: true,
  };
  const served = buildClientSchema(await introspect(getIntrospectionQuery(options)));
  assertValidSchema(served);
  same(graphql16, served, buildSchema(written));
});

test("graphql-js 15", { timeout }, async () => {
  const { assertValidSchema, buildClientSchema, buildSchema, getIntrospectionQuery, version } = graphql15;
  assert.match(version, /^15\./);
  // It is older than specifiedByURL, and asks for specifiedByUrl.
  const options = { descriptions: true, directiveIsRepeatable: true, schemaDescription: true };
  const introspection = await introspect(getIntrospectionQuery(options));
  assertValidSchema(buildClientSchema(introspection));
  // It takes @oneOf, which is younger, for a directive of the schema's own, and cannot read it in a text.
  const directives = introspection.__schema.directives.filter(({ name }) => name !== "oneOf");
  const served = buildClientSchema({ __schema: { ...introspection.__schema, directives } });
  same(graphql15, served, buildSchema(written.replace(/ @(oneOf(?= \{)|specifiedBy\([^)]*\))/g, "")));
});
