// @graphql-eslint, with the rules that it recommends, over the schema and the example operations.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import plugin from "@graphql-eslint/eslint-plugin";
import { ESLint } from "eslint";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const folder = "lab/clients/operations/";

const graphql = (files, rules) => ({
  files,
  languageOptions: {
    parser: plugin.parser,
    parserOptions: { graphQLConfig: { schema: `${root}schema.graphql`, documents: `${root}${folder}*.graphql` } },
  },
  plugins: { "@graphql-eslint": plugin },
  rules,
});

async function lint(files, rules, text) {
  const eslint = new ESLint({ cwd: root, overrideConfigFile: true, overrideConfig: [graphql(files, rules)] });
  const results = text ? await eslint.lintText(text, { filePath: files[0] }) : await eslint.lintFiles(files);
  return results.flatMap(({ filePath, messages }) => messages.map(({ line, ruleId, message }) =>
    `${filePath.slice(root.length)}:${line} ${ruleId}: ${message}`));
}

const schemaRules = {
  ...plugin.configs["flat/schema-recommended"].rules,
  // Descriptions of one line are written on one line.
  "@graphql-eslint/description-style": "off",
  // What can be looked up again, or changes, has an id. These are parts of such things, or of one answer.
  "@graphql-eslint/strict-id-in-types": ["error", {
    exceptions: {
      types: [
        "Call", "ClassAvailability", "Coach", "Money", "PageInfo", "Passenger", "Payment", "Refusal", "Seat",
        "SeatAvailability", "TicketOffer", "Train",
      ],
      suffixes: ["Connection", "Edge", "Payload"],
    },
  }],
};
const operationRules = plugin.configs["flat/operations-recommended"].rules;

test("the schema", async () => {
  assert.deepEqual(await lint(["schema.graphql"], schemaRules), []);
});

test("the operations", async () => {
  const files = readdirSync(root + folder).map((name) => folder + name);
  assert.deepEqual(await lint(files, operationRules), []);
});

test("a mistake is found", async () => {
  const name = `${folder}Search.graphql`;
  const wrong = readFileSync(root + name, "utf8").replace("version", "versoin");
  assert.match((await lint([name], operationRules, wrong)).join("\n"), /versoin/);
});
