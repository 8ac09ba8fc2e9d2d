package sale

import (
	"errors"
	"runtime"
	"slices"
	"time"

	"interlock/services/rail"
)

// answerPace is how long one answer may take on average before answer stops yielding.
const answerPace = 200 * time.Microsecond

// answer gives the buyers of a batch their answers, one by one. It yields the processor after each answer, so that the
// buyer's goroutine runs before the next one is woken: 500 goroutines woken at once would stand before the worker in
// the Go scheduler's queue, at each statement of the next batch. On a busy machine each yield waits behind hundreds of
// other goroutines. So answer does not yield while it is late.
func (s *Service) answer(answers []decided) {
	begun := time.Now()
	for i, d := range answers {
		s.counters.count(d)
		d.request.answer <- d.answer
		if time.Since(begun) < time.Duration(i+1)*answerPace {
			runtime.Gosched()
		}
	}
}

// fail answers every buyer of a batch with the error that a batch of that outcome gives them.
func (w *worker) fail(batch []*request, outcome outcome, err error) {
	switch {
	case outcome == conflict:
		err = &rail.Error{
			Code: rail.Unavailable, Message: "the run is too busy: nothing was ordered",
			RetryAfter: overloadedRetryAfter, Cause: err,
		}
	case outcome == inDoubt:
		err = pending(err)
	case len(batch) == 1 && rail.CodeOf(err) == rail.Internal && outcome != brokenRows:
		w.service.counters.poisoned.Add(1)
	}
	for _, r := range batch {
		w.failOne(r, err)
	}
}

func (w *worker) failOne(r *request, err error) {
	r.answer <- answer{err: w.service.failure(w.run, r, err)}
}

// dropPoisoned answers the poisoned request that err names, and returns the others.
func (w *worker) dropPoisoned(batch []*request, err error) (others []*request) {
	var poison *poisoned
	if !errors.As(err, &poison) {
		panic(err) // Its outcome was poisonedRequest.
	}
	w.service.counters.poisoned.Add(1)
	w.failOne(poison.request, poison)
	return slices.DeleteFunc(slices.Clone(batch), func(r *request) bool { return r == poison.request })
}
