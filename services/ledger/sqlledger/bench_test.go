package sqlledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
	"interlock/services/seatmap"
)

// holdTime is how long a hold of these tests lasts.
const holdTime = 15 * time.Minute

// The sample timetable's size: see docs/footprint.md.
const (
	sampleTrains = 4_394
	sampleDays   = 15
	sampleChunk  = 100 // trains a call
)

// nationalTrain is a train of a dozen calls with eight coaches.
func nationalTrain(number int) *rail.Train {
	var coaches []rail.Coach
	for c := range 8 {
		class, letters := rail.Second, "ABC DF"
		if c == 0 {
			class, letters = rail.First, "AC DF"
		}
		seats, err := rail.RowSeats(letters, 1, 17, nil)
		if err != nil {
			panic(err)
		}
		coaches = append(coaches, rail.Coach{Number: fmt.Sprint(c + 1), SeatClass: class, Seats: seats})
	}
	calls := make([]rail.Call, 12)
	for i := range calls {
		calls[i] = rail.Call{
			Station:        rail.StationCode(fmt.Sprintf("S%03d", (number*7+i*13)%900)),
			ArrivalSeconds: int32(20_000 + i*1_800), DepartureSeconds: int32(20_000 + i*1_800 + 120),
			Metres: int32(i * 80_000),
		}
	}
	return rail.NewTrain(fmt.Sprint("G", number), "G", "Asia/Shanghai", calls, rail.NewFormation(coaches), &rail.Fares{
		Currency: "CNY",
		PerKm: []rail.KmRate{
			{SeatClass: rail.Second, MicrosPerKm: 46_000_000},
			{SeatClass: rail.First, MicrosPerKm: 74_000_000},
		},
	})
}

func importSample(b *testing.B, l *sqlledger.Ledger) {
	for from := 0; from < sampleTrains; from += sampleChunk {
		var runs []*rail.Run
		for n := from; n < min(from+sampleChunk, sampleTrains); n++ {
			train := nationalTrain(n)
			for d := range sampleDays {
				runs = append(runs, ledgertest.NewRun(train, day.AddDays(d)))
			}
		}
		_, err := l.Publish(b.Context(), runs, "an admin", false)
		require.NoError(b, err)
	}
}

// BenchmarkImport writes the sample timetable, 65,910 runs; run it with -benchtime 1x.
func BenchmarkImport(b *testing.B) {
	for _, flavor := range ledgertest.Flavors() {
		b.Run(flavor.Name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				l := ledgertest.Open(b, flavor.New(b))
				b.StartTimer()
				importSample(b, l)
			}
		})
	}
}

// BenchmarkReadAll reads the whole sample timetable: as a server does when it starts, and as a rebuild does.
func BenchmarkReadAll(b *testing.B) {
	for _, flavor := range ledgertest.Flavors() {
		o := flavor.New(b)
		importSample(b, ledgertest.Open(b, o))
		b.Run(flavor.Name+"/Changes", func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				l := ledgertest.Open(b, o) // with nothing remembered
				b.StartTimer()
				changes, err := l.Changes(b.Context(), 0)
				require.NoError(b, err)
				require.Len(b, changes.Runs, sampleTrains*sampleDays)
			}
		})
		b.Run(flavor.Name+"/Availabilities", func(b *testing.B) {
			l := ledgertest.Open(b, o)
			for range b.N {
				n := 0
				for after := rail.RunID(""); ; {
					page, err := l.Availabilities(b.Context(), after, 2_000)
					require.NoError(b, err)
					n += len(page)
					if len(page) == 0 {
						break
					}
					after = page[len(page)-1].RunID
				}
				require.Equal(b, sampleTrains*sampleDays, n)
			}
		})
	}
}

// BenchmarkSell sells batches of 200 orders of one ticket on one run, as fast as one worker can.
func BenchmarkSell(b *testing.B) {
	for _, flavor := range ledgertest.Flavors() {
		b.Run(flavor.Name, func(b *testing.B) {
			l := ledgertest.Open(b, flavor.New(b))
			run := ledgertest.NewRun(nationalTrain(1), day)
			_, err := l.Publish(b.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(b, err)
			const size = 200
			known := int64(0)
			for n := 0; b.Loop(); n++ {
				batch := ledger.Batch{RunID: run.ID, KnownVersion: known, ClaimsAt: known}
				documents := make([]string, size)
				for i := range size {
					batch.Keys = append(batch.Keys,
						ledger.OrderKey{Buyer: fmt.Sprint("buyer-", i), Key: fmt.Sprint("key-", n)})
					documents[i] = fmt.Sprint("digest-", n, "-", i)
				}
				known, err = l.Sell(b.Context(), batch, func(s *ledger.BatchState) (ledger.BatchChanges, error) {
					var c ledger.BatchChanges
					price, _ := s.Run.Train.Price(rail.Second, 0, 3)
					for i := range size {
						c.Orders = append(c.Orders, ledger.NewOrder{
							Key: fmt.Sprint("key-", n), BodyHash: "hash", Documents: documents[i : i+1],
							Order: &rail.Order{
								ID:    rail.NewOrderID(s.Run.ID, s.Version+1, fmt.Sprintf("%08d-%04d", n, i)),
								RunID: s.Run.ID, TrainID: s.Run.Train.ID,
								Number: fmt.Sprint(n, "-", i), Buyer: fmt.Sprint("buyer-", i), Version: 1,
								State: rail.OnHold, To: 3,
								Total: price, PlacedAt: s.Now, PayBy: s.Now.Add(holdTime),
								Tickets: []rail.Ticket{{
									SeatClass: rail.Second, SeatIndex: i, Coach: "1", Seat: "1A", Price: price,
									Passenger: rail.Passenger{Name: "王", DocumentNumber: "D1234567"},
								}},
							},
						})
					}
					for i := range size {
						c.Seats = seatmap.AppendChange(c.Seats, seatmap.Change{Seat: i, To: 3})
					}
					c.Maps = func() map[rail.SeatClass][]byte {
						return map[rail.SeatClass][]byte{
							rail.First:  make([]byte, 11*10*8),
							rail.Second: make([]byte, 11*10*8),
						}
					}
					return c, nil
				})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}

// BenchmarkOrders_List reads a page of 100 orders with nine passengers each, all of whom are opened.
func BenchmarkOrders_List(b *testing.B) {
	for _, flavor := range ledgertest.Flavors() {
		b.Run(flavor.Name, func(b *testing.B) {
			l := ledgertest.Open(b, flavor.New(b))
			run := ledgertest.NewRun(nationalTrain(1), day)
			_, err := l.Publish(b.Context(), []*rail.Run{run}, "an admin", false)
			require.NoError(b, err)
			_, err = l.Sell(b.Context(), ledger.Batch{RunID: run.ID},
				func(s *ledger.BatchState) (c ledger.BatchChanges, err error) {
					price := rail.Money{Minor: 100, Currency: "CNY"}
					for i := range 100 {
						o := &rail.Order{
							ID: rail.NewOrderID(run.ID, s.Version+1, fmt.Sprintf("%026d", i)), RunID: run.ID,
							TrainID: run.Train.ID, Number: fmt.Sprint("N", i),
							Buyer: "wang", Version: 1, State: rail.OnHold, To: 1, Total: price, PlacedAt: s.Now,
							PayBy: s.Now.Add(time.Hour),
						}
						n := ledger.NewOrder{Order: o, Key: fmt.Sprint("key-", i), BodyHash: "hash"}
						for k := range rail.MaxPassengers {
							number := fmt.Sprintf("110101199003%06d", i*rail.MaxPassengers+k)
							o.Tickets = append(o.Tickets, rail.Ticket{
								SeatClass: rail.Second, Coach: "1", Seat: "1A", Price: price,
								Passenger: rail.Passenger{Name: "欧阳修远", DocumentNumber: number},
							})
							n.Documents = append(n.Documents, number)
						}
						c.Orders = append(c.Orders, n)
					}
					return c, nil
				})
			require.NoError(b, err)
			for b.Loop() {
				orders, err := l.Orders(b.Context(), ledger.OrderFilter{Buyer: "wang", Limit: 100})
				require.NoError(b, err)
				require.Len(b, orders, 100)
				require.Equal(b, "欧阳修远", orders[99].Tickets[8].Passenger.Name)
			}
		})
	}
}
