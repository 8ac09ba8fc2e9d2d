// Relay: its compiler reads the schema, and its runtime buys, pages through a connection, and sees an order change.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import compiler from "relay-compiler";
import {
  commitMutation, createOperationDescriptor, Environment, fetchQuery, getFragment, getRequest, getSelector, Network,
  RecordSource, Store,
} from "relay-runtime";
import { authorization, bought, findRun, purchase, timeout, url } from "../shop.mjs";

const orders = 5; // as many as a passenger may have unpaid
let folder, artifacts, environment, runId;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "interlock-relay-"));
  copyFileSync(fileURLToPath(new URL("../../../schema.graphql", import.meta.url)), join(folder, "schema.graphql"));
  cpSync(fileURLToPath(new URL("relay", import.meta.url)), join(folder, "src"), { recursive: true });
  mkdirSync(join(folder, "made"));
  const config = {
    src: "./src",
    schema: "./schema.graphql",
    artifactDirectory: "./made",
    language: "javascript",
    eagerEsModules: false, // as Node finds them without a bundler
  };
  writeFileSync(join(folder, "relay.config.json"), JSON.stringify(config));
  execFileSync(compiler, ["--noWatchman", "relay.config.json"], { cwd: folder, encoding: "utf8" });
  artifacts = createRequire(join(folder, "made", "program.js"));
  environment = new Environment({ network: Network.create(send), store: new Store(new RecordSource()) });
  runId = await findRun();
});
after(() => rmSync(folder, { recursive: true }));

async function send({ text }, variables) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: JSON.stringify({ query: text, variables }),
  });
  return response.json();
}

const artifact = (name) => artifacts(`./operations${name}.graphql.js`);

const mutate = (name, input) => new Promise((resolve, reject) => commitMutation(environment, {
  mutation: artifact(name),
  variables: { input },
  onCompleted: (data, errors) => (errors ? reject(new Error(JSON.stringify(errors))) : resolve(data)),
  onError: reject,
}));

// shown is what a component with the fragment shows just now.
function shown() {
  const query = createOperationDescriptor(getRequest(artifact("OrdersQuery")), { count: 2 });
  const { viewer } = environment.lookup(query.fragment).data;
  const selector = getSelector(getFragment(artifact("_orders")), viewer);
  const { data, isMissingData } = environment.lookup(selector);
  assert.equal(isMissingData, false);
  return data.orders;
}

test("a mutation, a connection that grows page by page, and an order that changes in it", { timeout }, async () => {
  const placed = [];
  for (let n = 1; n <= orders; n++) {
    placed.push(bought((await mutate("PlaceOrderMutation", purchase(runId, n))).placeOrder).id);
  }

  await fetchQuery(environment, artifact("OrdersQuery"), { count: 2 }).toPromise();
  const sizes = [shown().edges.length];
  while (shown().pageInfo.hasNextPage) {
    const variables = { count: 2, cursor: shown().pageInfo.endCursor };
    await fetchQuery(environment, artifact("OrdersPageQuery"), variables).toPromise();
    sizes.push(shown().edges.length);
  }
  assert.deepEqual(sizes, [2, 4, 5]);
  assert.deepEqual(shown().edges.map(({ node }) => node.id), placed.reverse(), "the newest first");

  await mutate("CancelOrderMutation", { orderId: placed[4] });
  assert.deepEqual(shown().edges.map(({ node }) => node.state), [...Array(4).fill("ON_HOLD"), "CANCELLED"]);
});
