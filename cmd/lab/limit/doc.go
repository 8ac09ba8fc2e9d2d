// Package limit writes what a sale writes, the same rows and bytes, straight through the driver: no HTTP, no GraphQL, no
// lock, nothing decided and nothing read but the version. What it reaches is what the database on this machine can take.
package limit
