package sell

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"interlock/lab/baseline"
	"interlock/lab/load"
)

const (
	// baselineCell is enough to tell ways apart that differ by a tenth: each sells hundreds.
	baselineCell = 2500 * time.Millisecond
	// maxBaselineBuyers is the most of the sweep.
	maxBaselineBuyers = 64
)

// baselineBuyers are the sweep's.
var baselineBuyers = []int{4, 16, maxBaselineBuyers}

// measureBaseline goes through the whole sweep: the best of it counts, all of it is printed.
func (l *lab) measureBaseline(ctx context.Context) (*Baseline, error) {
	const name = "baseline"
	seller, err := baseline.Open(ctx, baseline.Options{
		DSN: l.cluster.BesideDSN(name), LockAddrs: l.cluster.LockAddrs(), Connections: maxBaselineBuyers,
		Calls: load.Calls, Classes: load.Classes[:], SeatsPerClass: load.SeatsPerClass,
	})
	if err != nil {
		return nil, err
	}
	result := &Baseline{}
	for _, variant := range baseline.Variants() {
		for _, buyers := range baselineBuyers {
			if l.Short && (buyers != baselineBuyers[1] || variant.LocalMutex) {
				continue // one of each kind
			}
			run := fmt.Sprintf("B%d@2030-01-01", len(result.Cells)+1)
			cell, err := l.baselineCell(ctx, seller, variant, buyers, run)
			if err != nil {
				return nil, errors.Join(err, seller.Close())
			}
			l.log.Info("baseline", "way", cell.Way, "retry_ms", cell.RetryMilliseconds, "local_mutex", cell.LocalMutex,
				"buyers", buyers,
				"orders_per_second", int(cell.OrdersPerSecond), "failed", cell.Failed)
			result.Cells = append(result.Cells, cell)
			if cell.OrdersPerSecond > result.OrdersPerSecond {
				result.OrdersPerSecond, result.Best = cell.OrdersPerSecond, cell
			}
		}
	}
	if err := errors.Join(seller.Close(), l.cluster.DropBeside(ctx, name)); err != nil {
		return nil, err
	}
	if result.OrdersPerSecond == 0 {
		return nil, fmt.Errorf("it sold nothing, so that there is nothing to compare with: %s",
			result.Cells[len(result.Cells)-1].Problem)
	}
	return result, nil
}

func (l *lab) baselineCell(
	ctx context.Context, seller *baseline.Seller, variant baseline.Variant, buyers int, run string,
) (BaselineCell, error) {
	cell := BaselineCell{
		Way: "redlock", LocalMutex: variant.LocalMutex, Buyers: buyers, Seconds: baselineCell.Seconds(),
	}
	switch {
	case variant.ForUpdate:
		cell.Way = "for_update"
	case variant.MinRetry == variant.MaxRetry:
		cell.RetryMilliseconds = fmt.Sprint(variant.MinRetry.Milliseconds())
	default:
		cell.RetryMilliseconds = fmt.Sprintf("%d-%d", variant.MinRetry.Milliseconds(), variant.MaxRetry.Milliseconds())
	}
	if err := seller.NewRun(ctx, run); err != nil {
		return cell, err
	}
	limited, cancel := context.WithTimeout(ctx, baselineCell)
	defer cancel()
	var orders, failed atomic.Int64
	var problem atomic.Pointer[string]
	var all sync.WaitGroup
	for n := range buyers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(l.crowd.Seed, uint64(n)))
			for i := 0; limited.Err() == nil; i++ {
				from := random.IntN(load.Calls - 1)
				key := fmt.Sprintf("%032x", random.Uint64())
				err := seller.Sell(limited, variant, baseline.Request{
					Run: run, Buyer: fmt.Sprintf("buyer-%05d", n), Key: key, Name: "王秀英", Document: key[14:],
					Class: load.Classes[random.IntN(len(load.Classes))], From: from, To: from + 1 +
						random.IntN(load.Calls-1-from),
				})
				switch {
				case limited.Err() != nil: // its time was over: neither sold nor failed
				case err == nil:
					orders.Add(1)
				default:
					failed.Add(1)
					text := err.Error()
					problem.Store(&text)
				}
			}
		})
	}
	all.Wait()
	cell.Orders, cell.Failed = int(orders.Load()), int(failed.Load())
	cell.OrdersPerSecond = float64(cell.Orders) / cell.Seconds
	if text := problem.Load(); text != nil {
		cell.Problem = *text
	}
	return cell, ctx.Err()
}
