// Apollo Client 4 with its BatchHttpLink: operations of one moment go in one request, as a list.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ApolloClient, CombinedGraphQLErrors, gql, InMemoryCache } from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";
import { authorization, bought, findRun, operation, purchase, search, timeout, trainsFound, url } from "../shop.mjs";

let runId;
before(async () => { runId = await findRun(); });

// open is a client, and how many operations each of its requests had.
function open(t) {
  const sizes = [];
  const link = new BatchHttpLink({
    uri: url,
    headers: { authorization },
    fetch: (to, options) => {
      sizes.push(JSON.parse(options.body).length);
      return fetch(to, options);
    },
  });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  t.after(() => client.stop());
  return { client, sizes };
}

test("queries and a mutation in one request, each with its own answer", { timeout }, async (t) => {
  const { client, sizes } = open(t);
  const [found, placed, refused, mine] = await Promise.allSettled([
    client.query({ query: gql(operation("Search")), variables: search }),
    client.mutate({ mutation: gql(operation("PlaceOrder")), variables: { input: purchase(runId, 1) } }),
    client.query({ query: gql`{ nothing }` }),
    client.query({ query: gql(operation("MyOrders")), fetchPolicy: "network-only" }),
  ]);
  assert.deepEqual(sizes, [4]);
  assert.equal(found.value.data.searchTickets.nodes.length, trainsFound);
  const order = bought(placed.value.data.placeOrder);
  assert.ok(CombinedGraphQLErrors.is(refused.reason), "what is wrong with one does not spoil the others");
  assert.deepEqual(mine.value.data.viewer.orders.nodes.map(({ id }) => id), [order.id], "in their order");
});

test("more than ten are sent in several requests", { timeout }, async (t) => {
  const { client, sizes } = open(t);
  await Promise.all(Array.from({ length: 12 }, (_, i) => client.query({ query: gql(`query Q${i} { viewer { id } }`) })));
  assert.deepEqual(sizes.sort(), [10, 2]);
});
