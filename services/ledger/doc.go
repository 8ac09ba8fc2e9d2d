// Package ledger is the contract of the ledger: what was published and what was sold, the only truth. It holds the
// types that go in and out, and the errors. Each use case declares the methods it needs in its ports.go. Package
// sqlledger is the implementation, and ledgertest the suite that it passes.
package ledger
