package sell

import (
	"slices"

	"interlock/lab/load"
)

// median is, of every figure by itself, the one in the middle of the rounds: the round with a middling number of orders
// may have had the best of all waits. The slowest wait is that of all rounds, and answers are counted over all of them.
// It is nil without rounds.
func median(rounds []*load.Result) *Hot {
	if len(rounds) == 0 {
		return nil
	}
	of := func(figure func(*load.Result) float64) float64 {
		all := make([]float64, len(rounds))
		for i, r := range rounds {
			all[i] = figure(r)
		}
		return middle(all)
	}
	whole := &load.Result{
		Buyers: rounds[0].Buyers, Servers: rounds[0].Servers, Seconds: rounds[0].Seconds, Answers: map[string]int{},
		Orders:           int(of(func(r *load.Result) float64 { return float64(r.Orders) })),
		OrdersPerSecond:  of(func(r *load.Result) float64 { return r.OrdersPerSecond }),
		P50Milliseconds:  of(func(r *load.Result) float64 { return r.P50Milliseconds }),
		P90Milliseconds:  of(func(r *load.Result) float64 { return r.P90Milliseconds }),
		P99Milliseconds:  of(func(r *load.Result) float64 { return r.P99Milliseconds }),
		P999Milliseconds: of(func(r *load.Result) float64 { return r.P999Milliseconds }),
		LeastShare:       rounds[0].LeastShare,
	}
	for _, r := range rounds {
		whole.MaxMilliseconds = max(whole.MaxMilliseconds, r.MaxMilliseconds)
		whole.LeastShare = min(whole.LeastShare, r.LeastShare)
		for answer, n := range r.Answers {
			whole.Answers[answer] += n
		}
	}
	return &Hot{Result: whole, Each: rounds}
}

// middle is the one in the middle, of two the smaller; 0 where there is none.
func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[(len(all)-1)/2]
}
