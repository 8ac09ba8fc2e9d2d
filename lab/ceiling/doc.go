// Package ceiling writes what a sale of the hot run writes, straight through the driver. What it reaches is what the
// database on this machine can take.
//
// The same are the statements of a batch's transaction and their order; the rows, with as long a value in each column,
// and as unlike each other where a sale's are; the seats, which are those that a sale would choose, with their changes
// and from time to time the whole maps; and that a run is left when 70 % of it is sold.
//
// Left out are HTTP, GraphQL, tokens, the lock and Redis; what a batch reads before it writes (its run, the primary's
// state, whether keys and documents are there already) and what it asks beside its commit; and all that is decided:
// trips and seats are chosen before the clock starts. To make an order's text takes two or three microseconds of the
// machine, where the database takes a hundred and more.
package ceiling
