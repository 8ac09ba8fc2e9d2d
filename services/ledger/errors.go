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
