// Package sqlledger keeps what was published and what was sold, in MySQL, MariaDB or SQLite. It is the only truth:
// everything else is derived from it.
//
// It never decides what to sell (a sale's Decide does), never makes an id, a number or a key, never reads this
// process's clock where an order depends on it (the primary's is read inside the transaction), and never sends a COMMIT
// twice.
//
// Its invariants:
//
//   - A sale's transaction reads the run's version before anything else and moves it on by compare-and-set before it
//     writes, so that two transactions that read the same seat map cannot both commit.
//   - All that decides whether or what may be sold (a run's state, opening, train) moves the same version.
//   - An order's rows change only by conditional updates; seats are freed for rows that really changed, and no others.
//   - An error before COMMIT was sent means that nothing was written. An error from the text that has COMMIT in it is
//     ledger.ErrInDoubt unless the server said that it refused, or it can only be from what stands before COMMIT.
//   - The publication number is locked before anything is published, so numbers become visible in order.
//
// Locks are taken in one order: publication number, run, orders. Paying locks the order alone.
//
// A Ledger may be used by many goroutines. Every method keeps to its context's deadline until it has sent COMMIT, and
// waits for that for Options.CommitTimeout, however soon its caller has gone.
package sqlledger
