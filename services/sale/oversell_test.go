package sale_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/ledger/sqlledger/intercept"
	"interlock/services/rail"
	"interlock/services/sale"
)

// The promises hold with a lock that always says yes: these tests sell one run through four servers at once that do not
// know of each other, on a real MySQL.

const (
	rushServers = 4
	rushBuyers  = 300
	// rushTimeout ends a rush in which the servers only get in each other's way.
	rushTimeout = time.Minute
)

// rush is what the buyers of one run were told.
type rush struct {
	mu       sync.Mutex
	orders   []*rail.Order
	soldOut  int
	failures []error
}

// sellToAll lets rushBuyers buy one to three seats each on random calls of a run, through all services, and counts the
// compare-and-sets that were lost. A buyer repeats with the same key for as long as the answer says to.
func sellToAll(t *testing.T, options sqlledger.Options, run *rail.Run) (*rush, int64) {
	t.Helper()
	services := make([]*sale.Service, rushServers)
	for i := range services {
		services[i] = sale.Open(sale.Options{
			Ledger: ledgertest.Open(t, options), Lock: &fakeLock{yes: true}, Availability: &board{},
			Runs:     &book{run: run},
			Payments: sale.NewSandbox(), NewID: rand12, NewNumber: rand12, DocumentKey: []byte("key of this test"),
			Settings: sale.Settings{MaxBatch: 8}, Log: slog.New(slog.DiscardHandler),
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), rushTimeout)
	defer cancel()
	var told rush
	var wait sync.WaitGroup
	for n := range rushBuyers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 7))
			i := random.IntN(len(run.Train.Calls) - 1)
			j := i + 1 + random.IntN(len(run.Train.Calls)-1-i)
			place := rail.PlaceOrder{
				IdempotencyKey: fmt.Sprintf("buyer-%08d", n), RunID: run.ID,
				From: run.Train.Calls[i].Station, To: run.Train.Calls[j].Station,
			}
			for p := range 1 + random.IntN(3) {
				place.Passengers = append(place.Passengers, rail.PassengerRequest{
					Passenger: rail.Passenger{Name: "A Passenger", DocumentNumber: fmt.Sprintf("D%06d%d", n, p)},
					SeatClass: rail.Second,
				})
			}
			for {
				order, err := services[n%rushServers].Place(ctx, fmt.Sprint("buyer-", n), place)
				told.mu.Lock()
				switch rail.CodeOf(err) {
				case "":
					told.orders = append(told.orders, order)
				case rail.SoldOut:
					told.soldOut++
				case rail.Unavailable, rail.Overloaded, rail.OrderPending:
					told.mu.Unlock()
					var again *rail.Error
					errors.As(err, &again)
					select {
					case <-time.After(again.RetryAfter):
						continue
					case <-ctx.Done():
					}
					told.mu.Lock()
					told.failures = append(told.failures, err)
				default:
					told.failures = append(told.failures, err)
				}
				told.mu.Unlock()
				return
			}
		})
	}
	wait.Wait()
	lost := int64(0)
	for _, service := range services {
		require.NoError(t, service.Close(t.Context()))
		lost += service.Stats().VersionConflicts
	}
	return &told, lost
}

// rand12 is an order number that nobody else has.
func rand12() string { return strings.ReplaceAll(uuid.NewString(), "-", "")[:12] }

// publishRun puts a run of 30 seats on sale, far fewer than are asked for.
func publishRun(t *testing.T, l *sqlledger.Ledger, number string) *rail.Run {
	t.Helper()
	run := newRun(t)
	train := rail.NewTrain(number, "", "UTC", run.Train.Calls, run.Train.Formation, run.Train.Fares)
	run = &rail.Run{
		ID: rail.NewRunID(number, run.Date), Train: train, Date: run.Date, SaleOpensAt: time.UnixMilli(0),
		ClosesBefore: 5 * time.Minute, Status: rail.Published,
	}
	ledgertest.PutStations(t, l, train)
	_, err := l.Publish(t.Context(), []*rail.Run{run}, "test", false)
	require.NoError(t, err)
	return run
}

func TestPlace_NothingIsSoldTwiceWithoutALock(t *testing.T) {
	for _, flavor := range ledgertest.Flavors() {
		t.Run(flavor.Name, func(t *testing.T) {
			options := flavor.New(t)
			l := ledgertest.Open(t, options)
			var lost int64
			for round := range 5 {
				run := publishRun(t, l, fmt.Sprint("T", round))
				told, n := sellToAll(t, options, run)
				require.NoError(t, errors.Join(told.failures[:min(1, len(told.failures))]...))
				require.NotZero(t, told.soldOut, "there was not enough for all")
				for _, order := range told.orders {
					kept, err := l.Order(t.Context(), order.ID)
					require.NoError(t, err)
					require.NotNil(t, kept, "an answered order is lost")
					require.Equal(t, order.Tickets, kept.Tickets)
				}
				if lost += n; lost > 0 {
					break
				}
			}
			if flavor.Name != "SQLite" { // Its writers wait for each other before they read: nobody can lose.
				require.NotZero(t, lost, "the servers never met: this proves nothing")
			}
			report, err := (&audit.Auditor{Ledger: l}).Verify(t.Context())
			require.NoError(t, err)
			require.True(t, report.OK, "%v", report.Defects)
			require.NotZero(t, report.Tickets)
		})
	}
}

// The same without the version check must sell a seat twice, or the test above proves nothing.
func TestPlace_WithoutTheVersionCheckSeatsAreSoldTwice(t *testing.T) {
	options := ledgertest.MySQL(t)
	l := ledgertest.Open(t, options)
	unchecked := options
	unchecked.Wrap = intercept.WithoutVersionCheck
	for round := range 10 {
		sellToAll(t, unchecked, publishRun(t, l, fmt.Sprint("T", round)))
		report, err := (&audit.Auditor{Ledger: l}).Verify(t.Context())
		require.NoError(t, err)
		for _, defect := range report.Defects {
			if defect.Check == audit.CheckOverlap {
				return
			}
		}
	}
	t.Fatal("four servers without a lock and without a version check sold no seat twice")
}
