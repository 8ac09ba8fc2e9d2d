// graphql-http's audit: what the GraphQL over HTTP specification asks of a server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serverAudits } from "graphql-http";
import { timeout, url } from "../shop.mjs";

const audits = serverAudits({ url, fetchFn: fetch });

test("the audit is whole", () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id} ${audit.name}`, { timeout }, async () => {
    const result = await audit.fn();
    await result.response?.body?.cancel();
    assert.equal(result.status, "ok", result.reason);
  });
}
