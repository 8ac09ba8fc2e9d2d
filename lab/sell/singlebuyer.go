package sell

import (
	"context"
	"errors"
	"slices"
	"time"

	"interlock/lab/ceiling"
	"interlock/lab/load"
)

const (
	// There are singleBuyerRounds. Each has singleBuyerTurns of the buyer and of the plain transactions. Turns are
	// short, so that both meet the same moods of the machine.
	singleBuyerRounds = 3
	singleBuyerTurns  = 3
	singleBuyerTurn   = 1500 * time.Millisecond
)

// measureSingleBuyer lets one buyer buy on an idle system, and in turns writes plain transactions of one order each.
func (l *lab) measureSingleBuyer(ctx context.Context) (*SingleBuyer, error) {
	to, err := l.openCeiling(ctx)
	if err != nil {
		return nil, err
	}
	writer, err := to.NewWriter(ctx)
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	var rounds []SingleBuyerRound
	for range singleBuyerRounds {
		var round SingleBuyerRound
		if round, err = l.singleBuyerRound(ctx, writer); err != nil {
			break
		}
		l.log.Info(singleBuyerScenario, "orders", round.Orders, "p50_ms", round.P50Milliseconds, "commit_p50_ms",
			round.CommitP50Milliseconds,
			"ratio", round.P50RatioToCommit)
		rounds = append(rounds, round)
	}
	return medianSingleBuyer(rounds), errors.Join(err, writer.Close(), to.Close(),
		l.cluster.DropBeside(ctx, ceilingDatabase))
}

// singleBuyerRound waits until the replicas have applied what was sold before: as long as they do, nothing is idle.
func (l *lab) singleBuyerRound(ctx context.Context, writer *ceiling.Writer) (one SingleBuyerRound, err error) {
	if err := l.prepare(ctx); err != nil {
		return one, err
	}
	targets, err := load.OneRun(l.runs)
	if err != nil {
		return one, err
	}
	l.watcher.Watch(targets.First())
	var buyer, commits, whole []time.Duration
	for range singleBuyerTurns {
		result, err := load.Rush{
			Crowd: l.crowd, Targets: targets, Servers: []string{l.server}, Buyers: 1, WarmUp: singleBuyerTurn / 5,
			Window: singleBuyerTurn,
		}.Run(ctx)
		if err != nil {
			return one, err
		}
		buyer = append(buyer, result.Latencies()...)
		one.Seconds += result.Seconds
		for begun := time.Now(); time.Since(begun) < singleBuyerTurn; {
			before := time.Now()
			commit, err := writer.WritePlain(ctx)
			if err != nil {
				return one, err
			}
			commits, whole = append(commits, commit), append(whole, time.Since(before))
		}
	}
	one.Orders, one.P50Milliseconds, one.P99Milliseconds = len(buyer), quantile(buyer, 0.5), quantile(buyer, 0.99)
	one.CommitP50Milliseconds, one.CommitP99Milliseconds = quantile(commits, 0.5), quantile(commits, 0.99)
	one.TransactionP50Milliseconds = quantile(whole, 0.5)
	if one.CommitP50Milliseconds > 0 {
		one.P50RatioToCommit = one.P50Milliseconds / one.CommitP50Milliseconds
	}
	return one, nil
}

// medianSingleBuyer is the median of each figure by itself; orders and seconds are of all rounds.
func medianSingleBuyer(rounds []SingleBuyerRound) *SingleBuyer {
	of := func(figure func(*SingleBuyerRound) float64) float64 {
		all := make([]float64, len(rounds))
		for i := range rounds {
			all[i] = figure(&rounds[i])
		}
		return middle(all)
	}
	one := &SingleBuyer{Each: rounds, SingleBuyerRound: SingleBuyerRound{
		P50Milliseconds:            of(func(r *SingleBuyerRound) float64 { return r.P50Milliseconds }),
		P99Milliseconds:            of(func(r *SingleBuyerRound) float64 { return r.P99Milliseconds }),
		CommitP50Milliseconds:      of(func(r *SingleBuyerRound) float64 { return r.CommitP50Milliseconds }),
		CommitP99Milliseconds:      of(func(r *SingleBuyerRound) float64 { return r.CommitP99Milliseconds }),
		TransactionP50Milliseconds: of(func(r *SingleBuyerRound) float64 { return r.TransactionP50Milliseconds }),
		P50RatioToCommit:           of(func(r *SingleBuyerRound) float64 { return r.P50RatioToCommit }),
	}}
	for _, r := range rounds {
		one.Orders += r.Orders
		one.Seconds += r.Seconds
	}
	return one
}

// quantile is in milliseconds, 0 where there is nothing.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1e3
}
