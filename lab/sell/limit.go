package sell

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/lab/ceiling"
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

func (l *lab) openLimit(ctx context.Context) (*ceiling.Limit, error) {
	return ceiling.Open(ctx, l.cluster.BesideDSN(limitName))
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
		if err := l.cluster.AwaitReplicas(ctx); err != nil {
			return nil, errors.Join(err, to.Close())
		}
	}
	return result, errors.Join(to.Close(), l.cluster.DropBeside(ctx, limitName))
}

// limitBeside measures the best cell once more.
func (l *lab) limitBeside(ctx context.Context, m *Limit) error {
	if err := l.cluster.AwaitReplicas(ctx); err != nil {
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

func limitOnce(ctx context.Context, to *ceiling.Limit, size, connections int) (cell LimitCell, err error) {
	writers := make([]*ceiling.Writer, connections)
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
