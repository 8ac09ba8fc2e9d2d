// Package ledgertest proves that a ledger keeps its contract: one suite, run on every database the ledger works on.
// It also lends what tests of others need: fresh ledgers, a driver that cuts, changes or delays what is sent, and a
// ledger with its version check taken out.
//
// It is for tests only.
package ledgertest
