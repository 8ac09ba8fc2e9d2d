// Package ceiling writes what a sale of the hot run writes, straight through the driver. What it reaches is what the
// database on this machine can take.
//
// It has in common with a sale: the statements of a batch's transaction and their order; the rows, that of the outbox
// included, with values as long in each column, and as unlike each other; the seats, which are those that a sale would
// choose, with their changes and from time to time the whole maps; and that a run is left when 70 % of it is sold.
//
// It leaves out HTTP, GraphQL, tokens, the lock, Redis and the relay of events. It leaves out what a batch reads before
// it writes (its run, the primary's state, known keys and documents) and what it asks beside its commit. And it decides
// nothing: trips and seats are chosen before the clock starts. To make an order's text takes two or three microseconds
// of the machine, where the database takes a hundred and more.
package ceiling
