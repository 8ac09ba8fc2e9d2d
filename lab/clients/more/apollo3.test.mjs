// Apollo Client 3: queries, mutations, its cache, and what it tells of an error.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { before, test } from "node:test";
import { bought, findRun, operation, purchase, search, timeout, trainsFound, authorization, url } from "../shop.mjs";

// Outside a bundler, this version is for CommonJS alone.
const { ApolloClient, gql, HttpLink, InMemoryCache } = createRequire(import.meta.url)("@apollo/client/core");

let runId;
before(async () => { runId = await findRun(); });

function open(t, headers = {}) {
  const asked = [];
  const link = new HttpLink({
    uri: url,
    headers: { authorization, ...headers },
    fetch: async (...request) => {
      const response = await fetch(...request);
      asked.push({ accept: new Headers(request[1].headers).get("accept"), status: response.status });
      return response;
    },
  });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  t.after(() => client.stop());
  return { client, asked };
}

test("a query, from the server and then from the cache", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const query = { query: gql(operation("Search")), variables: search };
  const first = await client.query(query);
  assert.equal(first.data.searchTickets.nodes.length, trainsFound);
  assert.deepEqual((await client.query(query)).data, first.data);
  assert.equal(asked.length, 1);
});

test("mutations change what the cache has of an order", { timeout }, async (t) => {
  const { client, asked } = open(t);
  const place = { mutation: gql(operation("PlaceOrder")), variables: { input: purchase(runId, 1) } };
  const order = bought((await client.mutate(place)).data.placeOrder);
  assert.equal(bought((await client.mutate(place)).data.placeOrder).id, order.id, "the same key is the same order");
  const states = async () => {
    const { data } = await client.query({ query: gql(operation("MyOrders")) });
    return data.viewer.orders.nodes.map(({ state }) => state);
  };
  assert.deepEqual(await states(), ["ON_HOLD"]);
  const requests = asked.length;
  await client.mutate({ mutation: gql(operation("CancelOrder")), variables: { input: { orderId: order.id } } });
  assert.deepEqual(await states(), ["CANCELLED"]);
  assert.equal(asked.length, requests + 1, "the mutation's own request");
});

// Apollo 3 takes a status of 300 or more for a failure of the network, and tells no message.
test("an error of a query has its message and code", { timeout }, async (t) => {
  for (const accept of [undefined, "application/json"]) {
    const { client, asked } = open(t, accept && { accept });
    await assert.rejects(client.query({ query: gql`{ nothing }` }), (error) => {
      const [told] = error.graphQLErrors;
      assert.match(told?.message ?? String(error), /nothing/, JSON.stringify(asked));
      assert.equal(typeof told.extensions.code, "string");
      return true;
    });
  }
});
