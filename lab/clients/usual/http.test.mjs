// What a browser does by itself, without any library: it unpacks answers, and asks before it sends a page's headers.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import zlib from "node:zlib";
import { timeout, url } from "../shop.mjs";

// send is a request as it is written, and its response as it comes: fetch hides the one and unpacks the other.
function send(method, headers, body) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => {
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) });
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const json = { "content-type": "application/json" };
const large = JSON.stringify({ query: "{ __schema { types { name description fields { name description } } } }" });

const unpack = { gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync }; // Node 20 has no zstd.
for (const [asked, coding] of [
  ["gzip, deflate, br", "gzip"], ["gzip, deflate, br, zstd", "gzip"], ["gzip;q=0.5, zstd", "zstd"],
  ["zstd;q=0, gzip;q=0.1", "gzip"],
]) {
  test(`an answer to ${asked} is ${coding}`, { timeout }, async () => {
    const plain = await send("POST", json, large);
    assert.equal(plain.headers["content-encoding"], undefined);
    const packed = await send("POST", { ...json, "accept-encoding": asked }, large);
    assert.equal(packed.headers["content-encoding"], coding);
    assert.match(packed.headers.vary, /Accept-Encoding/);
    assert.ok(packed.body.length < plain.body.length / 3, `${packed.body.length} of ${plain.body.length} bytes`);
    if (unpack[coding]) assert.deepEqual(unpack[coding](packed.body), plain.body);
  });
}

test("a short answer comes as it is", { timeout }, async () => {
  const answer = await send("POST", { ...json, "accept-encoding": "gzip" }, `{"query":"{ __typename }"}`);
  assert.equal(answer.headers["content-encoding"], undefined);
  assert.equal(answer.body.toString(), `{"data":{"__typename":"Query"}}`);
});

test("a preflight is granted what frontends send", { timeout }, async () => {
  const headers = [
    "apollo-require-preflight", "apollographql-client-name", "apollographql-client-version", "authorization", "baggage",
    "cache-control", "content-type", "last-event-id", "sentry-trace", "traceparent", "tracestate",
    "x-apollo-operation-name",
  ].join();
  const preflight = (origin) => send("OPTIONS", {
    origin, "access-control-request-method": "POST", "access-control-request-headers": headers,
  });
  const own = await preflight(new URL(url).origin);
  assert.equal(own.status, 204);
  assert.equal(own.headers["access-control-allow-headers"], headers);
  const foreign = await preflight("https://elsewhere.example");
  assert.equal(foreign.status, 403);
  assert.equal(foreign.headers["access-control-allow-headers"], undefined);

  const answer = await send("POST", { ...json, origin: new URL(url).origin }, `{"query":"{ __typename }"}`);
  assert.equal(answer.headers["access-control-expose-headers"],
    "Retry-After, Ratelimit, Ratelimit-Policy, X-Request-Id");
});

test("what nobody can send is 406", { timeout }, async () => {
  const answer = await send("POST", { ...json, accept: "text/html" }, `{"query":"{ __typename }"}`);
  assert.equal(answer.status, 406);
  assert.match(JSON.parse(answer.body).errors[0].message, /application\/json/);
});
