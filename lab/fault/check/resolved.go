package check

import (
	"time"

	"interlock/lab/fault/history"
	"interlock/services/rail"
)

// ResolveTime is how long after the healing a request may stay open.
const ResolveTime = 30 * time.Second

// Resolved is C4. Whatever a client was left in doubt about has come to one outcome soon after the healing. Every
// answer to one key names one order, and the primary has no other for that key. Once a client was told of an order, no
// later question for it is refused.
func Resolved(calls []history.Call, primary history.Member, healed time.Time) *Result {
	r := begin("C4")
	oneOrder(r, primary)
	placed, refused := 0, 0
	longest := time.Duration(0)
	for request, attempts := range history.ByRequest(calls) {
		if !oneAnswer(r, request, attempts) {
			continue
		}
		r.Looked++
		last := attempts[len(attempts)-1]
		longest = max(longest, last.End.Sub(attempts[0].Start))
		switch {
		case !last.Outcome.Resolved():
			r.wrong("%s does not know what became of its %s with the key %s: %d answers, the last %s %s",
				request.Buyer, request.Kind, request.Key, len(attempts), last.Outcome, last.Code)
		case last.End.After(healed.Add(ResolveTime)):
			r.wrong("%s learned only %.1f s after the healing what became of its %s with the key %s",
				request.Buyer, last.End.Sub(healed).Seconds(), request.Kind, request.Key)
		case last.Outcome == history.Done:
			placed++
		default:
			refused++
		}
	}
	r.figure("done", float64(placed))
	r.figure("refused", float64(refused))
	r.figure("longest_seconds", longest.Seconds())
	return r
}

// oneAnswer holds that a request's answers name one order, and that none refuses what an earlier one has told. inDoubt
// tells whether any of them left the client in doubt.
func oneAnswer(r *Result, request history.Request, attempts []history.Call) (inDoubt bool) {
	named, done := "", firstDone(attempts)
	for _, a := range attempts {
		inDoubt = inDoubt || a.Outcome.InDoubt()
		if a.Outcome == history.Refused && done != nil && a.Start.After(done.End) {
			r.wrong("%s was told %s for its %s with the key %s, after it was told of order %s",
				request.Buyer, a.Code, request.Kind, request.Key, number(done.Order))
		}
		if a.Outcome != history.Done || a.Order == nil {
			continue
		}
		if named != "" && named != a.Order.Number {
			r.wrong("%s got the orders %s and %s for one %s with the key %s",
				request.Buyer, named, a.Order.Number, request.Kind, request.Key)
		}
		named = a.Order.Number
	}
	return inDoubt
}

// oneOrder holds that the primary has one order for each key, also for orders that no client was told of.
func oneOrder(r *Result, primary history.Member) {
	type key struct {
		run        rail.RunID
		buyer, key string
	}
	numbers := map[key]string{}
	for _, t := range primary.Tickets {
		k := key{t.Run, t.Buyer, t.Key}
		if first, ok := numbers[k]; ok && first != t.Number {
			r.wrong("the primary has the orders %s and %s of %s for the key %s", first, t.Number, t.Buyer, t.Key)
		}
		numbers[k] = t.Number
	}
	r.figure("keys", float64(len(numbers)))
}
