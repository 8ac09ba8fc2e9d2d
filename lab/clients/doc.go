// Package clients runs small programs on the usual GraphQL clients against a real server. Each does what a frontend
// does with the library, by the library's own defaults: it searches, buys, pays, watches and reads what went wrong.
//
// The programs in usual/ run in `make test`: graphql-http's audit, graphql-ws, graphql-sse, urql and Apollo Client.
// Those in more/ and genqlient/ run in `make test-all`, and have the build tag lab. All share one small timetable and
// the operations of operations/. A program is a test file of Node's own test runner, and needs nothing but the
// environment that shop.mjs names.
//
// What the clients need is described in docs/frontend.md, which names the program that shows it.
package clients
