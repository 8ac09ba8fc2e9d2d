package check

import (
	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// Kept is C2: every order that a client was told of is on the primary, with its seat, its price and its time to pay,
// with the way, the class and the passenger that were asked for, with its key, and as far on as the client was told.
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
		switch {
		case !ok:
			r.wrong("%s was told of order %s (%s, coach %s seat %s) by %s, and the primary does not have it",
				c.Buyer, c.Order.Number, c.Kind, c.Order.Coach, c.Order.Seat, c.Server)
		case has.Coach != c.Order.Coach || has.Seat != c.Order.Seat || has.Run != c.Run:
			r.wrong("order %s was told with coach %s seat %s, and the primary has coach %s seat %s of %s",
				c.Order.Number, c.Order.Coach, c.Order.Seat, has.Coach, has.Seat, has.Run)
		case has.From != c.From || has.To != c.To || has.Class != c.Class:
			r.wrong("order %s was asked for in %s from call %d to %d, and the primary has it in %s from call %d to %d",
				c.Order.Number, c.Class, c.From+1, c.To+1, has.Class, has.From+1, has.To+1)
		case has.Total != c.Order.Total:
			r.wrong("order %s was told for %s, and the primary has it for %s", c.Order.Number, c.Order.Total, has.Total)
		case c.Order.State == rail.OnHold && !has.PayBy.Equal(c.Order.PayBy):
			r.wrong("order %s was told to be paid %s later than the primary has it", c.Order.Number,
				c.Order.PayBy.Sub(has.PayBy))
		case has.Passenger != c.Passenger || has.Passenger.Name != c.Order.Name ||
			has.Passenger.DocumentNumberMasked() != c.Order.DocumentMasked:
			r.wrong("order %s was asked for %s with %s, told for %s with %s, and the primary has it for %s with %s",
				c.Order.Number, c.Passenger.Name,
				c.Passenger.DocumentNumber, c.Order.Name, c.Order.DocumentMasked, has.Passenger.Name,
				has.Passenger.DocumentNumber)
		case has.Buyer != c.Buyer || c.Kind == history.Place && has.Key != c.Key:
			r.wrong("order %s is %s's with the key %s, and the primary has it as %s's with the key %s",
				c.Order.Number, c.Buyer, c.Key, has.Buyer, has.Key)
		case has.Version < c.Order.Version:
			r.wrong("order %s was told at version %d, and the primary has version %d", c.Order.Number, c.Order.Version,
				has.Version)
		case has.Version == c.Order.Version && has.State != c.Order.State,
			c.Order.State != rail.OnHold && has.State != c.Order.State:
			// What is paid, cancelled or expired stays so; runs are not withdrawn here.
			r.wrong("order %s was told %s, and the primary has %s", c.Order.Number, c.Order.State, has.State)
		}
	}
	return r
}
