package rail_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/lock"
	"interlock/services/rail"
)

func TestError_IsAndAs(t *testing.T) {
	refusal := rail.Refuse(rail.SoldOut, "%d seats, not %d", 1, 2).At("input", "passengers")
	refusal.Cause = io.ErrUnexpectedEOF
	err := fmt.Errorf("placing: %w", refusal)

	require.ErrorIs(t, err, &rail.Error{Code: rail.SoldOut})
	require.NotErrorIs(t, err, &rail.Error{Code: rail.Invalid})
	require.NotErrorIs(t, err, &rail.Error{Code: rail.SoldOut, Message: "another"})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the cause")
	require.ErrorIs(t, err, refusal)
	var got *rail.Error
	require.ErrorAs(t, err, &got)
	require.Same(t, refusal, got)
	require.Equal(t, rail.SoldOut, rail.CodeOf(err))
	require.Equal(t, "SOLD_OUT: 1 seats, not 2: unexpected EOF", refusal.Error())
	require.Equal(t, "SOLD_OUT: 1 seats, not 2", rail.Refuse(rail.SoldOut, "1 seats, not 2").Error())
}

func TestError_AtIsACopy(t *testing.T) {
	plain := rail.Refuse(rail.NotFound, "no such run")
	pointed := plain.At("input", "runId")
	require.Nil(t, plain.Path)
	require.Equal(t, []string{"input", "runId"}, pointed.Path)
	require.Equal(t, plain.Message, pointed.Message)
}

// Whatever is not an Error stays inside.
func TestCodeOf(t *testing.T) {
	require.Equal(t, rail.Code(""), rail.CodeOf(nil))
	require.Equal(t, rail.Internal, rail.CodeOf(io.EOF))
	for _, inside := range []error{ledger.ErrVersionConflict, ledger.ErrInDoubt, lock.ErrTaken, lock.ErrNoQuorum} {
		require.Equal(t, rail.Internal, rail.CodeOf(inside))
	}
	require.Equal(t, rail.Invalid, rail.CodeOf(rail.Errors{
		rail.Refuse(rail.Invalid, "a"),
		rail.Refuse(rail.NotFound, "b"),
	}))
}

func TestErrors(t *testing.T) {
	var errs rail.Errors
	require.NoError(t, errs.OrNil(), "an empty list is no error")
	require.Equal(t, "no error", errs.Error())
	errs.Add(rail.Invalid, []string{"input", rail.Index(12)}, "a %s", "b")
	require.Equal(t, "INVALID: a b", errs.Error())
	errs.Add(rail.NotFound, nil, "c")
	require.Equal(t, "INVALID: a b (and 1 more)", errs.Error())
	require.Equal(t, []string{"INVALID /input/12", "NOT_FOUND "}, paths(errs))

	err := fmt.Errorf("validating: %w", errs.OrNil())
	require.ErrorIs(t, err, &rail.Error{Code: rail.NotFound}, "each of them")
	require.NotErrorIs(t, err, &rail.Error{Code: rail.SoldOut})
	var all rail.Errors
	require.True(t, errors.As(err, &all))
	require.Len(t, all, 2)
}

// Refusals are userErrors, the rest are top-level errors; every code is one or the other.
func TestCode_IsRefusal(t *testing.T) {
	for _, code := range []rail.Code{
		rail.Invalid, rail.NotFound, rail.SoldOut, rail.SaleNotOpen, rail.SaleClosed, rail.NotOnSale,
		rail.AlreadyTravelling, rail.HoldLimit, rail.DocumentLimit, rail.HoldExpired,
		rail.WrongState, rail.RunHasOrders, rail.PaymentUnavailable, rail.IdempotencyConflict,
	} {
		require.True(t, code.IsRefusal(), code)
	}
	for _, code := range []rail.Code{
		rail.BadUserInput, rail.Unauthenticated, rail.Forbidden, rail.Overloaded, rail.OrderPending, rail.Unavailable,
		rail.Internal, "", "OTHER",
	} {
		require.False(t, code.IsRefusal(), code)
	}
}

// Paths of one list do not write over each other's.
func TestValidate_PathsAreTheirOwn(t *testing.T) {
	at := make([]string, 1, 8)
	at[0] = "input"
	train := with(t12(), func(t *rail.Train) {
		t.Number, t.Kind, t.Calls[0].Station, t.Calls[1].Station = "", "\n", "", ""
	})
	require.Equal(t, []string{
		"INVALID /input/number", "INVALID /input/kind", "INVALID /input/calls/0/station",
		"INVALID /input/calls/1/station",
	},
		paths(train.Validate(at...)))
}

func TestErrors_AreFew(t *testing.T) {
	var errs rail.Errors
	for i := range 100_000 {
		errs.Add(rail.Invalid, nil, "%d", i)
	}
	require.Len(t, errs, rail.MaxErrors)
	require.Equal(t, "0", errs[0].Message)

	seats := make([]rail.Seat, rail.MaxSeatsPerCoach)
	for i := range seats {
		seats[i].Label = "\x00"
	}
	require.LessOrEqual(t, len(rail.NewFormation([]rail.Coach{{
		Number: "1", SeatClass: rail.Second,
		Seats: seats,
	}}).Validate()), rail.MaxErrors)
}
