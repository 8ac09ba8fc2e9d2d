package sell

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/cmd/lab/limit"
	"interlock/cmd/lab/load"
)

// limitCell is enough for a few transactions of the largest size on a slow disk.
const limitCell = 2 * time.Second

// The sweep.
var (
	limitSizes       = []int{64, 256, 1_024, 4_096}
	limitConnections = []int{1, 2, 4, 8}
)

// limitName is the database that the limit, and the plain transactions beside one buyer, are written to.
const limitName = "limit"

func (l *lab) openLimit(ctx context.Context) (*limit.Limit, error) {
	return limit.Open(ctx, l.cluster.BesideDSN(limitName))
}

// measureLimit goes through the whole sweep: the best of it is the limit.
func (l *lab) measureLimit(ctx context.Context) (*Limit, error) {
	to, err := l.openLimit(ctx)
	if err != nil {
		return nil, err
	}
	result := &Limit{}
	for _, size := range limitSizes {
		for _, connections := range limitConnections {
			cell, err := limitOnce(ctx, to, size, connections)
			if err != nil {
				return nil, errors.Join(err, to.Close())
			}
			l.log.Info("limit", "orders_per_transaction", size, "connections", connections, "orders_per_second", int(cell.OrdersPerSecond))
			result.Cells = append(result.Cells, cell)
			if cell.OrdersPerSecond > result.OrdersPerSecond {
				result.OrdersPerSecond, result.Best = cell.OrdersPerSecond, cell
			}
		}
		// What a replica has received and not applied would be in the way of the next cell.
		if err := l.cluster.Settle(ctx); err != nil {
			return nil, errors.Join(err, to.Close())
		}
	}
	return result, errors.Join(to.Close(), l.cluster.DropBeside(ctx, limitName))
}

// limitBeside measures the best cell once more.
func (l *lab) limitBeside(ctx context.Context, m *Limit) error {
	if err := l.cluster.Settle(ctx); err != nil {
		return err
	}
	to, err := l.openLimit(ctx)
	if err != nil {
		return err
	}
	cell, err := limitOnce(ctx, to, m.Best.OrdersPerTransaction, m.Best.Connections)
	if err := errors.Join(err, to.Close(), l.cluster.DropBeside(ctx, limitName)); err != nil {
		return err
	}
	l.log.Info("limit beside", "orders_per_second", int(cell.OrdersPerSecond))
	m.Beside = append(m.Beside, cell)
	return nil
}

func limitOnce(ctx context.Context, to *limit.Limit, size, connections int) (cell LimitCell, err error) {
	writers := make([]*limit.Writer, connections)
	for i := range writers {
		if writers[i], err = to.NewWriter(ctx); err != nil {
			return cell, err
		}
	}
	defer func() {
		for _, w := range writers {
			err = errors.Join(err, w.Close())
		}
	}()
	begun := time.Now()
	written := make([]int, connections)
	all, ctx := errgroup.WithContext(ctx)
	for i, w := range writers {
		all.Go(func() error {
			for time.Since(begun) < limitCell {
				if err := w.Write(ctx, size); err != nil {
					return err
				}
				written[i] += size
			}
			return nil
		})
	}
	err = all.Wait()
	cell = LimitCell{OrdersPerTransaction: size, Connections: connections, Seconds: time.Since(begun).Seconds()}
	for _, n := range written {
		cell.Orders += n
	}
	cell.OrdersPerSecond = float64(cell.Orders) / cell.Seconds
	return cell, err
}

// measureOne lets one buyer buy on an idle system, and in turn writes plain transactions of one order each.
func (l *lab) measureOne(ctx context.Context) (*OneBuyer, error) {
	to, err := l.openLimit(ctx)
	if err != nil {
		return nil, err
	}
	writer, err := to.NewWriter(ctx)
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	one, err := l.oneInTurns(ctx, writer)
	return one, errors.Join(err, writer.Close(), to.Close(), l.cluster.DropBeside(ctx, limitName))
}

const (
	// oneTurns and oneTurn are short, so that both meet the same moods of the machine.
	oneTurns = 4
	oneTurn  = 1500 * time.Millisecond
)

func (l *lab) oneInTurns(ctx context.Context, writer *limit.Writer) (*OneBuyer, error) {
	var buyer, commits, whole []time.Duration
	venue, err := load.OneRun(l.runs)
	if err != nil {
		return nil, err
	}
	l.watcher.Watch(venue.First())
	for range oneTurns {
		result, err := load.Rush{
			Crowd: l.crowd, Venue: venue, Servers: []string{l.server}, Buyers: 1, WarmUp: oneTurn / 5, Window: oneTurn,
		}.Run(ctx)
		if err != nil {
			return nil, err
		}
		buyer = append(buyer, result.Latencies()...)
		for begun := time.Now(); time.Since(begun) < oneTurn; {
			before := time.Now()
			commit, err := writer.WritePlain(ctx)
			if err != nil {
				return nil, err
			}
			commits, whole = append(commits, commit), append(whole, time.Since(before))
		}
	}
	one := &OneBuyer{
		Orders: len(buyer), P50Milliseconds: quantile(buyer, 0.5), P99Milliseconds: quantile(buyer, 0.99),
		CommitP50Milliseconds: quantile(commits, 0.5), CommitP99Milliseconds: quantile(commits, 0.99),
		TransactionP50Milliseconds: quantile(whole, 0.5),
	}
	if one.CommitP50Milliseconds > 0 {
		one.P50RatioToCommit = one.P50Milliseconds / one.CommitP50Milliseconds
	}
	return one, nil
}

// quantile is in milliseconds, 0 where there is nothing.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1e3
}
