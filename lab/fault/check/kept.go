package check

import (
	"fmt"
	"slices"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// Kept is C2: the primary has every order that a client was told of, as the client was told: with its seat, its price,
// its time to pay, its passenger and its buyer's address, for the trip and the key that were asked for, and at least as
// far on.
func Kept(calls []history.Call, primary history.Member) *Result {
	r := begin("C2")
	stored := map[string][]history.Stored{}
	for _, t := range primary.Tickets {
		stored[t.Number] = append(stored[t.Number], t)
	}
	for _, of := range stored {
		slices.SortFunc(of, func(a, b history.Stored) int { return a.Ticket - b.Ticket })
	}
	for _, c := range calls {
		if c.Outcome != history.Done || c.Order == nil || c.Kind == history.Search {
			continue
		}
		r.Looked++
		has := stored[c.Order.Number]
		if len(has) == 0 {
			r.wrong("%s was told of order %s (%s, %s) by %s, and the primary does not have it",
				c.Buyer, c.Order.Number, c.Kind, c.Order.Seats(), c.Server)
			continue
		}
		if told := len(c.Order.Tickets); told != len(has) || told != len(c.Passengers) {
			r.wrong("order %s was asked for %d passengers and told with %d tickets, and the primary has it with %d",
				c.Order.Number, len(c.Passengers), told, len(has))
			continue
		}
		for i := range has {
			if difference := keptOtherwise(c, i, has[i]); difference != "" {
				r.wrong("order %s %s", c.Order.Number, difference)
				break
			}
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

// keptOtherwise is the first thing in which the primary has an order with a ticket otherwise than a client was told; ""
// for none. The ticket is the i-th.
func keptOtherwise(c history.Call, i int, has history.Stored) string {
	told, ticket, passenger := c.Order, &c.Order.Tickets[i], c.Passengers[i]
	toldTo := traveller{passenger, ticket.Name, ticket.DocumentMasked}
	hasFor := traveller{has.Passenger, has.Passenger.Name, has.Passenger.DocumentNumberMasked()}
	for _, one := range []struct {
		same bool
		text string
		args []any
	}{
		{
			place{c.Run, ticket.Coach, ticket.Seat} == place{has.Run, has.Coach, has.Seat},
			"was told with coach %s seat %s, and the primary has coach %s seat %s of %s",
			[]any{ticket.Coach, ticket.Seat, has.Coach, has.Seat, has.Run},
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
			"was asked for %s with %s and %q, told for %s with %s, and the primary has it for %s with %s and %q",
			[]any{
				passenger.Name, passenger.DocumentNumber, passenger.Contact.Email, ticket.Name, ticket.DocumentMasked,
				has.Passenger.Name, has.Passenger.DocumentNumber, has.Passenger.Contact.Email,
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
