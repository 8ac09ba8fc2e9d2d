package sale

import (
	"errors"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// outcome is what became of a batch in the ledger.
type outcome int

const (
	// committed: the ledger has acknowledged the commit. After all other outcomes but inDoubt nothing was written.
	committed outcome = iota
	// conflict: another worker moved the run's version on first.
	conflict
	// inDoubt: the commit may or may not have taken place.
	inDoubt
	// poisonedRequest: one request made the worker panic.
	poisonedRequest
	// brokenRows: the run's rows do not fit together.
	brokenRows
	// duplicate: a key has an order already, or two orders drew one number.
	duplicate
	// refused: the ledger says why it takes no batch, such as UNAVAILABLE.
	refused
	// failed: an error of another kind. One of the requests may be the cause.
	failed
)

// outcomeOf tells the outcome of a batch by the ledger's error.
func outcomeOf(err error) outcome {
	var poison *poisoned
	var broken *brokenRun
	var twice *ledger.DuplicateError
	switch {
	case err == nil:
		return committed
	case errors.Is(err, ledger.ErrVersionConflict):
		return conflict
	case errors.Is(err, ledger.ErrInDoubt):
		return inDoubt
	case errors.As(err, &poison):
		return poisonedRequest
	case errors.As(err, &broken):
		return brokenRows
	case errors.As(err, &twice):
		return duplicate
	case rail.CodeOf(err) != rail.Internal:
		return refused
	}
	return failed
}

// step is what a worker does next with a batch.
type step int

const (
	// answerAll gives every buyer the answer that was committed.
	answerAll step = iota
	// tryAgain sells the same batch again.
	tryAgain
	// dropPoisoned fails the poisoned request alone and sells the others again.
	dropPoisoned
	// halve sells the two halves of the batch one after the other.
	halve
	// failAll answers every buyer with the error.
	failAll
)

// maxAttempts bounds how often a batch is sold again after a conflict or a duplicate. From the second time on it opens
// with a locking read, so it can lose again only to a transaction that did not need to wait.
const maxAttempts = 5

// next is the step after an outcome, for a batch of some size at its attempt, counted from 1. A server that is closing
// halves nothing.
func (o outcome) next(attempt, size int, closing bool) step {
	switch o {
	case committed:
		return answerAll
	case poisonedRequest:
		return dropPoisoned
	case conflict:
		if attempt < maxAttempts {
			return tryAgain
		}
	case duplicate, failed:
		if o == duplicate && attempt < maxAttempts {
			return tryAgain // It sees the order of the key, and draws other numbers.
		}
		if size > 1 && !closing {
			return halve
		}
	}
	return failAll
}
