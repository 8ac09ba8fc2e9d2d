package check

import (
	"fmt"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// Kept is C2: the primary has every order that a client was told of, as the client was told: with its seat, its price,
// its time to pay and its passenger, for the trip and the key that were asked for, and at least as far on.
func Kept(calls []history.Call, primary history.Member) *Result {
	r := begin("C2")
	stored := map[string]history.Stored{}
	for _, t := range primary.Tickets {
		stored[t.Number] = t
	}
	for _, c := range calls {
		if c.Outcome != history.Done || c.Order == nil || c.Kind == history.Search {
			continue
		}
		r.Looked++
		has, ok := stored[c.Order.Number]
		if !ok {
			r.wrong("%s was told of order %s (%s, coach %s seat %s) by %s, and the primary does not have it",
				c.Buyer, c.Order.Number, c.Kind, c.Order.Coach, c.Order.Seat, c.Server)
		} else if difference := keptOtherwise(c, has); difference != "" {
			r.wrong("order %s %s", c.Order.Number, difference)
		}
	}
	return r
}

// The parts of an order that are compared as a whole.
type (
	place struct {
		run         rail.RunID
		coach, seat string
	}
	trip struct {
		from, to int
		class    rail.SeatClass
	}
	traveller struct {
		passenger    rail.Passenger
		name, masked string
	}
)

// movesOn tells whether what an order is now may have become of a state. What is cancelled, expired or returned stays
// so. What is paid is returned by its tickets, or cancelled with its run.
func movesOn(state rail.OrderState, now *history.Stored) bool {
	switch state {
	case rail.OnHold, rail.Paying:
		return true
	case rail.Paid:
		return now.State == rail.Returned || now.State == rail.Cancelled && now.Withdrawn
	case rail.Cancelled, rail.Expired, rail.Returned:
	}
	return false
}

// keptOtherwise is the first thing in which the primary has an order otherwise than a client was told; "" for none.
func keptOtherwise(c history.Call, has history.Stored) string {
	told := c.Order
	toldTo := traveller{c.Passenger, told.Name, told.DocumentMasked}
	hasFor := traveller{has.Passenger, has.Passenger.Name, has.Passenger.DocumentNumberMasked()}
	for _, one := range []struct {
		same bool
		text string
		args []any
	}{
		{
			place{c.Run, told.Coach, told.Seat} == place{has.Run, has.Coach, has.Seat},
			"was told with coach %s seat %s, and the primary has coach %s seat %s of %s",
			[]any{told.Coach, told.Seat, has.Coach, has.Seat, has.Run},
		},
		{
			trip{c.From, c.To, c.Class} == trip{has.From, has.To, has.Class},
			"was asked for in %s from call %d to %d, and the primary has it in %s from call %d to %d",
			[]any{c.Class, c.From + 1, c.To + 1, has.Class, has.From + 1, has.To + 1},
		},
		{
			told.Total == has.Total,
			"was told for %s, and the primary has it for %s",
			[]any{told.Total, has.Total},
		},
		{
			told.State != rail.OnHold || told.PayBy.Equal(has.PayBy),
			"was told to be paid %s later than the primary has it",
			[]any{told.PayBy.Sub(has.PayBy)},
		},
		{
			toldTo == hasFor,
			"was asked for %s with %s, told for %s with %s, and the primary has it for %s with %s",
			[]any{
				c.Passenger.Name, c.Passenger.DocumentNumber, told.Name, told.DocumentMasked,
				has.Passenger.Name, has.Passenger.DocumentNumber,
			},
		},
		{
			c.Buyer == has.Buyer && (c.Kind != history.Place || c.Key == has.Key),
			"is %s's with the key %s, and the primary has it as %s's with the key %s",
			[]any{c.Buyer, c.Key, has.Buyer, has.Key},
		},
		{
			told.Version <= has.Version,
			"was told at version %d, and the primary has version %d",
			[]any{told.Version, has.Version},
		},
		{
			told.State == has.State || told.Version < has.Version && movesOn(told.State, &has),
			"was told %s, and the primary has %s",
			[]any{told.State, has.State},
		},
	} {
		if !one.same {
			return fmt.Sprintf(one.text, one.args...)
		}
	}
	return ""
}
