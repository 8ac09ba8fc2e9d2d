package check

import (
	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// Refused is C3. What a client was told had not taken place has not. Every reason that was given is one that a correct
// request can meet here.
func Refused(calls []history.Call, primary history.Member) *Result {
	r := begin("C3")
	type key struct{ buyer, key string }
	placed, states := map[key]history.Stored{}, map[string]rail.OrderState{}
	type ticket struct {
		number string
		own    rail.TicketState
	}
	tickets := map[ticket]bool{}
	for _, t := range primary.Tickets {
		placed[key{t.Buyer, t.Key}] = t
		states[t.Number], tickets[ticket{t.Number, t.Own}] = t.State, true
	}
	for _, c := range calls {
		if c.Outcome == history.Refused && !honest(c) {
			r.wrong("%s was told %s when it asked to %s %s", c.Buyer, c.Code, c.Kind, c.Key)
		}
	}
	for request, attempts := range history.ByRequest(calls) {
		if !refused(attempts) {
			continue
		}
		r.Looked++
		last := attempts[len(attempts)-1]
		switch request.Kind {
		case history.Place:
			if has, ok := placed[key{request.Buyer, request.Key}]; ok {
				r.wrong("%s was told %s (%s) for the key %s last, and the primary has order %s", request.Buyer,
					last.Outcome,
					last.Code, request.Key, has.Number)
			}
		case history.Pay:
			if states[request.Key] == rail.Paid {
				r.wrong("%s was told %s (%s) when it paid order %s, which is paid", request.Buyer, last.Outcome,
					last.Code, request.Key)
			}
		case history.Refund, history.Change:
			ended := map[history.Kind]rail.TicketState{
				history.Refund: rail.TicketRefunded, history.Change: rail.TicketChanged,
			}[request.Kind]
			if tickets[ticket{request.Key, ended}] {
				r.wrong("%s was told %s (%s) when it asked for a %s of order %s, and a ticket of it is %s", request.Buyer,
					last.Outcome, last.Code, request.Kind, request.Key, ended)
			}
		case history.Cancel:
			if states[request.Key] == rail.Cancelled && !last.Withdrawn {
				r.wrong("%s was told %s (%s) when it cancelled order %s, which is cancelled", request.Buyer,
					last.Outcome, last.Code, request.Key)
			}
		}
	}
	return r
}

// refused tells whether a request's last answer said that nothing was done, and no earlier answer left that open.
// UNAVAILABLE and OVERLOADED speak of their own attempt only: after an attempt in doubt they decide nothing.
func refused(attempts []history.Call) bool {
	inDoubt := false
	for _, a := range attempts {
		inDoubt = inDoubt && !a.Outcome.Resolved() || a.Outcome.InDoubt()
		if a.Outcome == history.Done {
			return false
		}
	}
	return !inDoubt
}
