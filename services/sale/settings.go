package sale

import (
	"time"

	"interlock/services/rail"
)

// Settings are the bounds of a sale. The zero value of a field means its default.
type Settings struct {
	// Hold is how long an order may stay unpaid.
	Hold time.Duration
	// MaxBatch is how many requests one commit serves. All of them wait until the last order's rows are written, so a
	// larger batch makes the commit itself slow.
	MaxBatch int
	// MaxQueue is how many requests may wait for one run, MaxWaiting for all runs together. Both are seconds of work:
	// a buyer is told OVERLOADED at once, and can still do something else.
	MaxQueue, MaxWaiting int
	// MaxWait bounds the time in a queue; MaxQueue alone does not where batches take long. It applies once a full batch
	// waits: a request is then refused if the batches before it would take longer than MaxWait at the pace of the last
	// batch, or if the first request in the queue has waited longer than that already.
	MaxWait time.Duration
	// BatchTimeout bounds one batch in the ledger.
	BatchTimeout time.Duration
	// Lock says how servers share the locks of runs.
	Lock LockSettings
	// MaxCommitting is how many runs' batches are in the ledger at the same time: enough for the primary to commit some
	// of them together, and few enough that the others grow meanwhile.
	MaxCommitting int
	// MaxPaying is how many reads and commits of payments are in the ledger at the same time: enough to fill its group
	// commit, and few enough to leave the workers their connections. PayWait is how long one more payment waits for a
	// place.
	MaxPaying int
	PayWait   time.Duration
	// MaxCharging is how many payments may be with the provider at the same time. Each costs a goroutine and a
	// connection there, and nothing in the ledger.
	MaxCharging int
	// ApplyTimeout bounds telling Redis. Repair makes good what Redis was not told.
	ApplyTimeout time.Duration
	// SweepInterval is how often holds past their time are looked for. A batch on a run expires them anyway.
	SweepInterval time.Duration
	// Rules say what the railway keeps of tickets that are given back or changed. They are rules that have passed
	// rail.RefundRules.Check. The zero value means rail.DefaultRefundRules.
	Rules rail.RefundRules
	// MaxRunHolds is how many unpaid orders a buyer may have on one run, exactly. MaxOpenHolds is how many on all runs;
	// other servers that sell to the same buyer at that moment may exceed it. A negative limit is none.
	MaxRunHolds, MaxOpenHolds int
	// MaxLapsedHolds is how many of a buyer's holds may lapse in 24 hours before their run is closed to the buyer.
	// MaxDocuments is how many different documents a buyer may ask for in 24 hours. A negative limit is none.
	MaxLapsedHolds, MaxDocuments int
}

func (s Settings) withDefaults() Settings {
	orDefault(&s.Hold, 15*time.Minute)
	orDefault(&s.MaxBatch, 1_024)
	orDefault(&s.MaxQueue, 8_192)
	orDefault(&s.MaxWaiting, 32_768)
	orDefault(&s.MaxWait, 2*time.Second)
	orDefault(&s.BatchTimeout, 5*time.Second)
	s.Lock = s.Lock.withDefaults()
	orDefault(&s.MaxCommitting, 4)
	orDefault(&s.MaxPaying, 8)
	orDefault(&s.PayWait, 2*time.Second)
	orDefault(&s.MaxCharging, 1_024)
	orDefault(&s.ApplyTimeout, 100*time.Millisecond)
	orDefault(&s.SweepInterval, time.Second)
	if len(s.Rules.Refund.Steps) == 0 {
		s.Rules.Refund = rail.DefaultRefundRules().Refund
	}
	if len(s.Rules.Change.Steps) == 0 {
		s.Rules.Change = rail.DefaultRefundRules().Change
	}
	orDefault(&s.MaxRunHolds, 5)
	orDefault(&s.MaxOpenHolds, 5)
	orDefault(&s.MaxLapsedHolds, 3)
	orDefault(&s.MaxDocuments, 20)
	return s
}

// orDefault sets a field that is zero.
func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
