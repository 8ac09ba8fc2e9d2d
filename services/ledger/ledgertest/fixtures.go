package ledgertest

import (
	"time"

	"interlock/services/rail"
)

// holdTTL is how long the suite's holds last: less than Age takes off.
const holdTTL = 15 * time.Minute

// NewTrain makes a train of four calls, A, B, C and D, with six seats in second class and two in first.
func NewTrain(number string) *rail.Train { return newTrain(number, 3) }

func newTrain(number string, rows int) *rail.Train {
	seats, err := rail.RowSeats("A B", 1, rows, nil)
	if err != nil {
		panic(err) // three rows of two are a layout
	}
	formation := rail.NewFormation([]rail.Coach{
		{Number: "1", SeatClass: rail.Second, Seats: seats},
		{Number: "2", SeatClass: rail.First, Seats: seats[:2]},
	})
	calls := make([]rail.Call, 4)
	for i := range calls {
		calls[i] = rail.Call{
			Station:          rail.StationCode("ABCD"[i : i+1]),
			ArrivalSeconds:   int32(8+i) * 3600,
			DepartureSeconds: int32(8+i)*3600 + 60,
			Metres:           int32(i) * 100_000,
		}
	}
	return rail.NewTrain(number, "G", "Asia/Shanghai", calls, formation, &rail.Fares{
		Currency: "CNY",
		PerKm: []rail.KmRate{
			{SeatClass: rail.Second, MicrosPerKm: 46_000_000},
			{SeatClass: rail.First, MicrosPerKm: 74_000_000},
		},
	})
}

// NewRun makes a run that is on sale.
func NewRun(train *rail.Train, date rail.Date) *rail.Run {
	return &rail.Run{
		ID:           rail.NewRunID(train.Number, date),
		Train:        train,
		Date:         date,
		SaleOpensAt:  time.UnixMilli(1_500_000_000_123).UTC(),
		ClosesBefore: 5 * time.Minute,
		Status:       rail.Published,
	}
}

// A date of a run. It is over: a ledger sells what it is told to, and what may be sold is the sale's to say.
var day = rail.NewDate(2019, 10, 12)
