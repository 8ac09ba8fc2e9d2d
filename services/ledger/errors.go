package ledger

import "errors"

// What a ledger answers, beside *rail.Error.
var (
	// ErrVersionConflict says that another batch was committed on the run since this one was begun. Nothing was
	// written.
	ErrVersionConflict = errors.New("the run's version has moved on")
	// ErrInDoubt says that a commit may or may not have taken place. The next batch on the run that is begun Locking,
	// and commits, resolves it.
	ErrInDoubt = errors.New("the outcome of a commit is unknown")
	// ErrLocked says that another transaction on this run (or order) is still open. It may be slow, or its commit may
	// wait for a replica and hold the row. The caller's transaction wrote nothing.
	ErrLocked = errors.New("another transaction on it is still open")
)

// DuplicateError says that a row exists already. Nothing was written. A batch that has looked its keys up meets it
// where an order drew a taken number, or where another batch with the key was faster.
type DuplicateError struct {
	Cause Duplicate
	// Err is the database's own error.
	Err error
}

// Duplicate says what of an order exists already.
type Duplicate string

// The duplicates.
const (
	// DuplicateKey: the buyer has an order with that key on the run.
	DuplicateKey Duplicate = "key"
	// DuplicateNumber: another order has that number. A new number is all it needs.
	DuplicateNumber Duplicate = "number"
	// DuplicateID: something else, an id that was given twice.
	DuplicateID Duplicate = "id"
)

func (e *DuplicateError) Error() string { return "the " + string(e.Cause) + " exists already" }

func (e *DuplicateError) Unwrap() error { return e.Err }
