package sale

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

func TestOutcomeOf(t *testing.T) {
	for want, err := range map[outcome]error{
		committed:       nil,
		conflict:        ledger.ErrVersionConflict,
		inDoubt:         ledger.ErrInDoubt,
		poisonedRequest: &poisoned{reason: "a bug"},
		brokenRows:      &brokenRun{errors.New("a seat is sold twice")},
		duplicate:       &ledger.DuplicateError{Cause: ledger.DuplicateKey},
		refused:         rail.Refuse(rail.NotFound, "there is no such run"),
		failed:          errors.New("data too long"),
	} {
		require.Equal(t, want, outcomeOf(err), "%v", err)
		if err != nil {
			require.Equal(t, want, outcomeOf(fmt.Errorf("a batch: %w", err)), "%v", err)
		}
	}
	// A row that is broken stays so, whatever the error beneath it says.
	require.Equal(t, brokenRows, outcomeOf(&brokenRun{rail.Refuse(rail.NotFound, "there is no such class")}))
	require.Equal(t, refused, outcomeOf(&rail.Error{Code: rail.Unavailable, Cause: ledger.ErrLocked}))
}

// TestOutcome_Next has every outcome, at the first and at the last attempt, of one request and of two, on a server that
// goes on and on one that closes.
func TestOutcome_Next(t *testing.T) {
	always := func(s step) [8]step { return [8]step{s, s, s, s, s, s, s, s} }
	attempts, sizes, closings := []int{1, maxAttempts}, []int{1, 2}, []bool{false, true}
	for o, steps := range map[outcome][8]step{
		committed:       always(answerAll),
		inDoubt:         always(failAll),
		poisonedRequest: always(dropPoisoned),
		brokenRows:      always(failAll),
		refused:         always(failAll),
		//          attempt 1                                      the last attempt
		//          one                 two                        one               two
		//          goes on   closes    goes on   closes           goes on  closes   goes on  closes
		conflict:  {tryAgain, tryAgain, tryAgain, tryAgain /*  */, failAll, failAll, failAll, failAll},
		duplicate: {tryAgain, tryAgain, tryAgain, tryAgain /*  */, failAll, failAll, halve, failAll},
		failed:    {failAll, failAll, halve, failAll /*        */, failAll, failAll, halve, failAll},
	} {
		n := 0
		for _, attempt := range attempts {
			for _, size := range sizes {
				for _, closing := range closings {
					require.Equal(t, steps[n], o.next(attempt, size, closing),
						"outcome %d, attempt %d of %d requests, closing %t", o, attempt, size, closing)
					n++
				}
			}
		}
	}
	require.Equal(t, tryAgain, conflict.next(maxAttempts-1, 1, false))
}
