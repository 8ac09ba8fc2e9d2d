// Package ledger is the contract of the ledger: what was published and what was sold, the only truth. It holds the
// types that go in and out, and the errors. Each use case declares the methods it needs in its ports.go; ledgertest is
// the suite that every implementation passes, and sqlledger the one there is.
package ledger
