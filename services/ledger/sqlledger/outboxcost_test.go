//go:build lab

// The figures of docs/decisions/0069: go test -tags lab ./services/ledger/sqlledger -run '^$' -bench OutboxCost

package sqlledger_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/availability"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/lock"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// costBatch is how many orders a batch of the benchmark has: those of the scenario hot_1024.
const costBatch = 1_024

// BenchmarkOutboxCost sells batches on a real cluster with two replicas, one after the other, while a relay publishes
// their events, and while none does. It ends when the outbox is empty. All figures are for an order: the bytes in the
// primary's binary log, and the processor time of each process.
func BenchmarkOutboxCost(b *testing.B) {
	for _, flavor := range []servers.Flavor{servers.MySQL, servers.MariaDB} {
		for _, relays := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/relay=%t", flavor, relays), func(b *testing.B) { outboxCost(b, flavor, relays) })
		}
	}
}

func outboxCost(b *testing.B, flavor servers.Flavor, relays bool) {
	members, err := cluster.StartMembers(b.Context(), flavor, 3)
	serverstest.Require(b, err)
	defer members.Close()
	require.NoError(b, members.Open(context.WithoutCancel(b.Context()), nil))
	o := sqlledger.Options{
		DSN: members.DSN(members.Servers[0], cluster.Database), Keyring: ledgertest.Keyring(b),
		CommitTimeout: time.Minute, StatementTimeout: time.Minute,
	}
	require.NoError(b, sqlledger.Migrate(b.Context(), o))
	l, err := sqlledger.Open(b.Context(), o)
	require.NoError(b, err)
	defer l.Close()
	require.NoError(b, l.CheckKeys(b.Context()))
	run := ledgertest.NewRun(nationalTrain(1), day)
	_, err = l.Publish(b.Context(), []*rail.Run{run}, "an admin", false)
	require.NoError(b, err)
	root := members.Servers[0].DSN("mysql")
	redis := serverstest.NewRedis(b)

	ctx, stop := context.WithCancel(b.Context())
	var relaying sync.WaitGroup
	defer relaying.Wait()
	defer stop()
	if relays {
		client, err := availability.Connect(availability.Options{
			Addrs:          []string{redis.Addr()},
			CommandTimeout: time.Minute,
		})
		require.NoError(b, err)
		defer client.Close()
		relay := &messages.Relay{
			Outbox: l, Stream: streams.New(client, streams.Events), Lock: noLock{}, Log: slog.New(slog.DiscardHandler),
		}
		relaying.Go(func() { relay.Run(ctx) })
	}
	processes := map[string][]int{
		"self": {os.Getpid()}, "primary": {members.Servers[0].Pid()},
		"replicas": {members.Servers[1].Pid(), members.Servers[2].Pid()}, "redis": {redis.Pid()},
	}
	used := func() map[string]time.Duration {
		all := map[string]time.Duration{}
		for name, pids := range processes {
			for _, pid := range pids {
				all[name] += servers.ProcessorTime(pid)
			}
		}
		return all
	}
	logged, before, known, sold := binlogBytes(b, root), used(), int64(0), time.Duration(0)
	for n := 0; b.Loop(); n++ {
		begun := time.Now()
		known, err = l.Sell(b.Context(), costBatchOf(run.ID, known, n), sellCostBatch(n))
		require.NoError(b, err)
		sold += time.Since(begun)
	}
	selling := b.Elapsed()
	for relays {
		backlog, err := l.Backlog(b.Context())
		require.NoError(b, err)
		if backlog.Unpublished+backlog.Published == 0 {
			break
		}
		pause.For(b.Context(), 50*time.Millisecond)
	}
	b.StopTimer()
	orders := float64(costBatch * b.N)
	b.ReportMetric(float64(binlogBytes(b, root)-logged)/orders, "binlog-B/order")
	b.ReportMetric(float64(sold.Microseconds())/orders, "sell-µs/order")
	b.ReportMetric(orders/selling.Seconds(), "orders/s")
	b.ReportMetric(0, "ns/op")
	for name, now := range used() {
		b.ReportMetric(float64((now-before[name]).Microseconds())/orders, name+"-cpu-µs/order")
	}
}

func costBatchOf(run rail.RunID, known int64, n int) ledger.Batch {
	batch := ledger.Batch{RunID: run, KnownVersion: known, ClaimsAt: known, MoreExpected: true}
	for i := range costBatch {
		batch.Keys = append(batch.Keys, ledger.OrderKey{Buyer: fmt.Sprint("buyer-", i), Key: fmt.Sprint("key-", n)})
	}
	return batch
}

func sellCostBatch(n int) ledger.Decide {
	return func(s *ledger.BatchState) (c ledger.BatchChanges, err error) {
		price, _ := s.Run.Train.Price(rail.Second, 0, 3)
		for i := range costBatch {
			c.Orders = append(c.Orders, ledger.NewOrder{
				Key: fmt.Sprint("key-", n), BodyHash: drawn(43), Documents: []string{drawn(43)},
				Order: &rail.Order{
					ID:    rail.NewOrderID(s.Run.ID, s.Version+1, drawn(13)),
					RunID: s.Run.ID, TrainID: s.Run.Train.ID,
					Number: drawn(16), Buyer: fmt.Sprint("buyer-", i), Version: 1,
					State: rail.OnHold, To: 3,
					Total: price, PlacedAt: s.Now, PayBy: s.Now.Add(holdTime),
					Tickets: []rail.Ticket{{
						SeatClass: rail.Second, SeatIndex: i, Coach: "1", Seat: "1A", Price: price,
						Passenger: rail.Passenger{Name: "王", DocumentNumber: "D1234567"},
					}},
				},
			})
			c.Seats = seatmap.AppendChange(c.Seats, seatmap.Change{Seat: i, To: 3})
		}
		c.Maps = func() map[rail.SeatClass][]byte {
			return map[rail.SeatClass][]byte{rail.First: make([]byte, 11*10*8), rail.Second: make([]byte, 11*10*8)}
		}
		return c, nil
	}
}

// drawn is a text of n characters of the alphabet of ids: as random as those of a sale.
func drawn(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = "0123456789abcdefghijklmnopqrstuv"[rand.N(32)]
	}
	return string(text)
}

// binlogBytes is how much a server has written into its binary logs.
func binlogBytes(b *testing.B, dsn string) (total int64) {
	b.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(b, err)
	defer db.Close()
	rows, err := db.QueryContext(b.Context(), "SHOW BINARY LOGS")
	require.NoError(b, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(b, err)
	for rows.Next() {
		var name, rest string
		var size int64
		fields := []any{&name, &size, &rest}
		require.NoError(b, rows.Scan(fields[:len(columns)]...))
		total += size
	}
	require.NoError(b, rows.Err())
	return total
}

// noLock lets everybody relay.
type noLock struct{}

func (noLock) Acquire(context.Context, string) (lock.Lease, error) { return nil, lock.ErrNoQuorum }
