// Package ledgertest proves that a ledger keeps its contract: one suite, run on every database the ledger works on.
// It also lends fresh ledgers to other packages' tests.
//
// It is for tests only.
package ledgertest
