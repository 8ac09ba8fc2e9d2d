package sale

import "sync/atomic"

// counters only ever rise.
type counters struct {
	batches, requests, placed, replayed, refused  atomic.Int64
	versionConflicts, inDoubt, overloaded         atomic.Int64
	lockTaken, withoutLock, poisoned, applyFailed atomic.Int64
	expired, unlimited                            atomic.Int64
	paymentSteps, paymentCommits, givenBack       atomic.Int64
	putRight                                      atomic.Int64
}

// count notes what became of an order.
func (c *counters) count(d decided) {
	switch {
	case d.request.place == nil || d.request.place.looks():
	case d.answer.err != nil:
		c.refused.Add(1)
	case d.answer.replayed:
		c.replayed.Add(1)
	default:
		c.placed.Add(1)
	}
}

// Stats are what a service has done since it was opened.
type Stats struct {
	// Batches served Requests; Placed, Replayed and Refused are what became of them.
	Batches, Requests, Placed, Replayed, Refused int64
	// VersionConflicts counts compare-and-sets lost to another worker, InDoubt commits of unknown outcome.
	VersionConflicts, InDoubt int64
	// Overloaded counts requests turned away by a full queue.
	Overloaded int64
	// LockTaken counts attempts that met another server's lock, WithoutLock batches on the ledger's compare-and-set
	// alone.
	LockTaken, WithoutLock int64
	// Poisoned counts requests that failed alone. ApplyFailed counts messages Redis did not take.
	Poisoned, ApplyFailed int64
	// Expired counts holds that ran out.
	Expired int64
	// Unlimited counts buyers whose record could not be read: they were held to the limits of their run alone.
	Unlimited int64
	// PaymentSteps were decided in PaymentCommits. GivenBack counts payments whose money did not count for their order.
	PaymentSteps, PaymentCommits, GivenBack int64
	// PutRight counts payments that did not agree with the ledger, and whose event was acted upon anew. It stays at 0
	// while every event arrives.
	PutRight int64
}

// Stats reads the counters.
func (s *Service) Stats() Stats {
	c := &s.counters
	return Stats{
		Batches: c.batches.Load(), Requests: c.requests.Load(), Placed: c.placed.Load(), Replayed: c.replayed.Load(),
		Refused: c.refused.Load(), VersionConflicts: c.versionConflicts.Load(), InDoubt: c.inDoubt.Load(),
		Overloaded: c.overloaded.Load(), LockTaken: c.lockTaken.Load(), WithoutLock: c.withoutLock.Load(),
		Poisoned: c.poisoned.Load(), ApplyFailed: c.applyFailed.Load(), Expired: c.expired.Load(),
		Unlimited: c.unlimited.Load(), PaymentSteps: c.paymentSteps.Load(), PaymentCommits: c.paymentCommits.Load(),
		GivenBack: c.givenBack.Load(), PutRight: c.putRight.Load(),
	}
}
