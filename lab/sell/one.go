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
	// oneRounds, each of oneTurns of the buyer and of the plain transactions: turns are short, so that both meet the same
	// moods of the machine.
	oneRounds = 3
	oneTurns  = 3
	oneTurn   = 1500 * time.Millisecond
)

// measureOne lets one buyer buy on an idle system, and in turns writes plain transactions of one order each.
func (l *lab) measureOne(ctx context.Context) (*OneBuyer, error) {
	to, err := l.openLimit(ctx)
	if err != nil {
		return nil, err
	}
	writer, err := to.NewWriter(ctx)
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	var rounds []OneRound
	for range oneRounds {
		var round OneRound
		if round, err = l.oneRound(ctx, writer); err != nil {
			break
		}
		l.log.Info(oneScenario, "orders", round.Orders, "p50_ms", round.P50Milliseconds, "commit_p50_ms", round.CommitP50Milliseconds,
			"ratio", round.P50RatioToCommit)
		rounds = append(rounds, round)
	}
	return medianOne(rounds), errors.Join(err, writer.Close(), to.Close(), l.cluster.DropBeside(ctx, limitName))
}

// oneRound waits until the replicas have applied what was sold before: as long as they do, nothing is idle.
func (l *lab) oneRound(ctx context.Context, writer *ceiling.Writer) (one OneRound, err error) {
	if err := l.prepare(ctx); err != nil {
		return one, err
	}
	targets, err := load.OneRun(l.runs)
	if err != nil {
		return one, err
	}
	l.watcher.Watch(targets.First())
	var buyer, commits, whole []time.Duration
	for range oneTurns {
		result, err := load.Rush{
			Crowd: l.crowd, Targets: targets, Servers: []string{l.server}, Buyers: 1, WarmUp: oneTurn / 5, Window: oneTurn,
		}.Run(ctx)
		if err != nil {
			return one, err
		}
		buyer = append(buyer, result.Latencies()...)
		one.Seconds += result.Seconds
		for begun := time.Now(); time.Since(begun) < oneTurn; {
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

// medianOne is the median of each figure by itself; orders and seconds are of all rounds.
func medianOne(rounds []OneRound) *OneBuyer {
	of := func(figure func(*OneRound) float64) float64 {
		all := make([]float64, len(rounds))
		for i := range rounds {
			all[i] = figure(&rounds[i])
		}
		return middle(all)
	}
	one := &OneBuyer{Each: rounds, OneRound: OneRound{
		P50Milliseconds:            of(func(r *OneRound) float64 { return r.P50Milliseconds }),
		P99Milliseconds:            of(func(r *OneRound) float64 { return r.P99Milliseconds }),
		CommitP50Milliseconds:      of(func(r *OneRound) float64 { return r.CommitP50Milliseconds }),
		CommitP99Milliseconds:      of(func(r *OneRound) float64 { return r.CommitP99Milliseconds }),
		TransactionP50Milliseconds: of(func(r *OneRound) float64 { return r.TransactionP50Milliseconds }),
		P50RatioToCommit:           of(func(r *OneRound) float64 { return r.P50RatioToCommit }),
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
