import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";
import { currentToken } from "./token.js";

const endpoint = new URL("/graphql", location.href);

// One socket at most, opened by the first subscription and closed after the last, so that every subscription started on
// its own is made with the token of that moment.
const socket = createClient({
  url: () => {
    const url = new URL(endpoint);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  },
  lazy: true,
  connectionParams: () => (currentToken() ? { authorization: `Bearer ${currentToken()}` } : {}),
  retryAttempts: 2, // a restarted server is found again; a missing one is reported after seconds, not minutes
});

// subscribe starts a subscription on the socket, and returns how to end it.
export function subscribe(payload, sink) {
  return socket.subscribe(payload, sink);
}

// A header written into GraphiQL's own headers editor wins over the token of the bar.
function fetchAsViewer(url, init) {
  const headers = new Headers(init.headers);
  if (currentToken() && !headers.has("authorization")) headers.set("authorization", `Bearer ${currentToken()}`);
  return fetch(url, { ...init, headers });
}

// onResult sees every result of every operation, before GraphiQL shows it.
export function createFetcher(onResult) {
  const fetcher = createGraphiQLFetcher({
    url: endpoint.href,
    fetch: fetchAsViewer,
    wsClient: socket,
    enableIncrementalDelivery: false, // the API has no @defer; plain JSON also shows refusals that come with a 4xx
  });
  return async (params, options) => {
    const result = await fetcher(params, options);
    if (params.operationName !== "IntrospectionQuery") onResult(result);
    return result;
  };
}
