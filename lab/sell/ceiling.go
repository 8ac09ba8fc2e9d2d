package sell

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"interlock/lab/ceiling"
)

// ceilingWindow is enough for a few transactions of the largest size on a slow disk.
const ceilingWindow = 2 * time.Second

// The sweep.
var (
	ceilingSizes       = []int{64, 256, 1_024, 4_096}
	ceilingConnections = []int{1, 2, 4, 8}
)

// ceilingDatabase is the database that the ceiling, and the plain transactions beside one buyer, are written to.
const ceilingDatabase = "ceiling"

func (l *lab) openCeiling(ctx context.Context) (*ceiling.Database, error) {
	return ceiling.Open(ctx, l.cluster.BesideDSN(ceilingDatabase))
}

// measureCeiling goes through the whole sweep: the best of it is the ceiling.
func (l *lab) measureCeiling(ctx context.Context) (*Ceiling, error) {
	to, err := l.openCeiling(ctx)
	if err != nil {
		return nil, err
	}
	result := &Ceiling{}
	for _, size := range ceilingSizes {
		for _, connections := range ceilingConnections {
			cell, err := ceilingCell(ctx, to, size, connections)
			if err != nil {
				return nil, errors.Join(err, to.Close())
			}
			l.log.Info("ceiling", "orders_per_transaction", size, "connections", connections, "orders_per_second",
				int(cell.OrdersPerSecond))
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
	return result, errors.Join(to.Close(), l.cluster.DropBeside(ctx, ceilingDatabase))
}

// ceilingBeside measures the best cell once more.
func (l *lab) ceilingBeside(ctx context.Context, m *Ceiling) error {
	if err := l.cluster.AwaitReplicas(ctx); err != nil {
		return err
	}
	to, err := l.openCeiling(ctx)
	if err != nil {
		return err
	}
	cell, err := ceilingCell(ctx, to, m.Best.OrdersPerTransaction, m.Best.Connections)
	if err := errors.Join(err, to.Close(), l.cluster.DropBeside(ctx, ceilingDatabase)); err != nil {
		return err
	}
	l.log.Info("ceiling beside", "orders_per_second", int(cell.OrdersPerSecond))
	m.Beside = append(m.Beside, cell)
	return nil
}

func ceilingCell(ctx context.Context, to *ceiling.Database, size, connections int) (cell CeilingCell, err error) {
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
			for time.Since(begun) < ceilingWindow {
				if err := w.Write(ctx, size); err != nil {
					return err
				}
				written[i] += size
			}
			return nil
		})
	}
	err = all.Wait()
	cell = CeilingCell{OrdersPerTransaction: size, Connections: connections, Seconds: time.Since(begun).Seconds()}
	for _, n := range written {
		cell.Orders += n
	}
	cell.OrdersPerSecond = float64(cell.Orders) / cell.Seconds
	return cell, err
}
