import assert from "node:assert/strict";
import test from "node:test";
import { describeToken } from "./token.js";

const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;

test("a token says who, which roles and until when", () => {
  assert.deepEqual(describeToken(token({ sub: "售票员?>", roles: ["ADMIN", "PASSENGER"], exp: 1_600_000_000 })), {
    subject: "售票员?>",
    roles: ["ADMIN", "PASSENGER"],
    expiresAt: new Date("2020-09-13T12:26:40Z"),
  });
  assert.deepEqual(describeToken(token({ roles: "ADMIN" })), { subject: "", roles: ["ADMIN"], expiresAt: null });
});

test("what is no token is not described", () => {
  for (const text of ["", "abc", "a.b.c", "a..c", `a.${btoa("null")}.c`, "🚂.🚂.🚂"]) assert.equal(describeToken(text), null);
});
