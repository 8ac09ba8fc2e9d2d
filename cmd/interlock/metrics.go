package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics shows the counters of the rooms. The rooms count; this gives the counts their names.
type metrics struct{ figures []figure }

type figure struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	read        func() float64
}

// add adds a figure without labels.
func (m *metrics) add(kind prometheus.ValueType, name, help string, read func() float64) {
	m.figures = append(m.figures, figure{prometheus.NewDesc("interlock_"+name, help, nil, nil), kind, read})
}

func newMetrics(s *Server) *metrics {
	m := &metrics{}
	counter := func(name, help string, read func() float64) {
		m.add(prometheus.CounterValue, name+"_total", help, read)
	}
	gauge := func(name, help string, read func() float64) { m.add(prometheus.GaugeValue, name, help, read) }

	counter("orders_placed", "Orders placed, replays not counted.",
		func() float64 { return float64(s.service.Stats().Placed) })
	counter("orders_replayed", "Requests answered with an order their key had placed before.",
		func() float64 { return float64(s.service.Stats().Replayed) })
	counter("orders_refused", "Orders refused.",
		func() float64 { return float64(s.service.Stats().Refused) })
	counter("orders_overloaded", "Requests turned away by a full queue.",
		func() float64 { return float64(s.service.Stats().Overloaded) })
	counter("holds_expired", "Holds that ran out.",
		func() float64 { return float64(s.service.Stats().Expired) })
	counter("batches", "Batches committed.",
		func() float64 { return float64(s.service.Stats().Batches) })
	counter("batched_requests", "Requests in the batches committed.",
		func() float64 { return float64(s.service.Stats().Requests) })
	counter("version_conflicts",
		"Batches that lost to another transaction on their run. ledger_compare_and_sets_lost has them, too.",
		func() float64 { return float64(s.service.Stats().VersionConflicts) })
	counter("commits_in_doubt", "Commits of batches whose outcome was unknown.",
		func() float64 { return float64(s.service.Stats().InDoubt) })
	counter("requests_poisoned", "Requests that failed alone.",
		func() float64 { return float64(s.service.Stats().Poisoned) })
	counter("ledger_commits", "Commits acknowledged: of batches, payments and publications.",
		func() float64 { return float64(s.stores.ledger.Stats().Commits) })
	counter("ledger_commits_in_doubt", "Commits of any kind whose outcome was unknown. Alarm when it rises.",
		func() float64 { return float64(s.stores.ledger.Stats().CommitsInDoubt) })
	counter("ledger_compare_and_sets_lost",
		"Transactions of any kind that lost to another on the same run. version_conflicts has the batches alone.",
		func() float64 { return float64(s.stores.ledger.Stats().LostCompareAndSets) })
	gauge("ledger_probing",
		"1 while the cluster does not acknowledge commits, and one probe at a time looks whether it does again. Alarm "+
			"when it stays.",
		func() float64 { return oneIf(s.stores.ledger.Stats().Probing) })
	gauge("ledger_has_primary",
		"0 while there is no primary to sell on. Alarm when it stays longer than a failover takes.",
		func() float64 { return oneIf(s.stores.ledger.Stats().HasPrimary) })
	gauge("ledger_two_primaries",
		"1 while two members are writable with one epoch, and nothing is sold on either. Alarm at once.",
		func() float64 { return oneIf(s.stores.ledger.Stats().TwoPrimaries) })
	gauge("ledger_epoch", "The epoch of the primary: it rises with every opening; 0 without a cluster.",
		func() float64 { return float64(s.stores.ledger.Stats().Epoch) })
	counter("ledger_primary_changes", "Times another primary was found than the one before.",
		func() float64 { return float64(s.stores.ledger.Stats().PrimaryChanges) })
	counter("ledger_lists_on_primary", "Lists of orders that no replica of the cluster was near enough for.",
		func() float64 { return float64(s.stores.ledger.Stats().ListsOnPrimary) })
	counter("payment_steps", "Steps of payments that the ledger decided.",
		func() float64 { return float64(s.service.Stats().PaymentSteps) })
	counter("payment_commits", "Commits that those steps shared.",
		func() float64 { return float64(s.service.Stats().PaymentCommits) })
	counter("payments_given_back", "Payments whose money did not count for their order, and went back.",
		func() float64 { return float64(s.service.Stats().GivenBack) })
	counter("payments_put_right",
		"Payments that did not agree with their orders, and were acted upon anew. Alarm when it rises.",
		func() float64 { return float64(s.service.Stats().PutRight) })
	counter("lock_taken", "Attempts that met another server's lock.",
		func() float64 { return float64(s.service.Stats().LockTaken) })
	counter("batches_without_lock",
		"Times a worker went on without the lock, under the ledger's compare-and-set alone. Alarm when it rises.",
		func() float64 { return float64(s.service.Stats().WithoutLock) })
	counter("buyers_unlimited",
		"Buyers whose record could not be read, and who were held to the limit of their run alone.",
		func() float64 { return float64(s.service.Stats().Unlimited) })
	counter("redis_not_told", "Messages Redis did not take; repair makes them good.",
		func() float64 { return float64(s.service.Stats().ApplyFailed) })
	gauge("requests_waiting", "Requests that wait for a worker.",
		func() float64 { return float64(s.service.Waiting()) })
	counter("redis_asked", "What is left, asked of Redis.",
		func() float64 { return float64(s.stores.cache.Stats().Asks) })
	counter("redis_unknown", "What is left, where Redis could not say: the answer was remaining null.",
		func() float64 { return float64(s.stores.cache.Stats().Unknown) })
	counter("searches_unanswered", "Searches that Redis could not answer: remaining was null.",
		func() float64 { return float64(s.finder.Stats().Unanswered) })
	counter("lock_no_quorum", "Attempts to lock without enough lock nodes. Alarm when it rises.",
		func() float64 { return float64(s.stores.lock.Stats().NoQuorum) })
	counter("lock_lost", "Locks that were lost while they were held.",
		func() float64 { return float64(s.stores.lock.Stats().Lost) })
	gauge("lock_nodes_down", "Lock nodes that are left alone because they keep failing.",
		func() float64 {
			down := 0
			for _, node := range s.stores.lock.Stats().Nodes {
				if node.Down {
					down++
				}
			}
			return float64(down)
		})
	counter("orders_erased",
		"Orders whose passengers this server has forgotten, because their runs had been over for long enough.",
		func() float64 { return float64(s.eraser.Stats().Orders) })
	gauge("retention_done_timestamp_seconds",
		"When this server last found nothing more to forget; 0 where it never has. Alarm when the highest of all "+
			"servers is a day old.",
		func() float64 {
			if done := s.eraser.Stats().Done; !done.IsZero() {
				return float64(done.Unix())
			}
			return 0
		})
	counter("redis_repaired", "Entries of Redis that were not what the ledger says.",
		func() float64 { return float64(s.auditor.Stats().Repaired) })
	counter("redis_reloads", "Times Redis had lost its data.",
		func() float64 { return float64(s.auditor.Stats().Reloads) })
	counter("messages_published", "Events published by this server, those published again included.",
		func() float64 { return float64(s.relay.Stats().Published) })
	counter("messages_republished", "Events published again, because the stream had lost entries.",
		func() float64 { return float64(s.relay.Stats().Again) })
	counter("messages_stream_lost", "Times the stream of events had lost entries. Alarm when it rises.",
		func() float64 { return float64(s.relay.Stats().Lost) })
	counter("messages_given_up",
		"Batches of events that left the ledger after 7 days although not every group had acknowledged them. Alarm "+
			"when it rises.",
		func() float64 { return float64(s.relay.Stats().GivenUp) })
	gauge("messages_unpublished", "Batches of events that wait in the ledger to be published.",
		func() float64 { return float64(s.backlog().Unpublished) })
	gauge("messages_unpublished_age_seconds",
		"Age of the oldest batch of events that is not published. Alarm above 60.",
		func() float64 { return s.backlog().OldestUnpublished.Seconds() })
	gauge("messages_kept", "Batches of events that are published, and kept until every group has acknowledged them.",
		func() float64 { return float64(s.backlog().Published) })
	gauge("messages_answer", "0 while the Redis of messages does not answer.",
		func() float64 { _, _, err := s.monitor.Status(); return oneIf(err == nil) })
	gauge("publication_number", "The publication this server's timetable is at.",
		func() float64 { return float64(s.timetable.Number()) })
	gauge("runs", "Runs in this server's timetable.",
		func() float64 { return float64(s.runs()) })
	gauge("seat_subscribers", "Subscriptions to seats.",
		func() float64 { seats, _ := s.hub.Subscribers(); return float64(seats) })
	gauge("order_subscribers", "Subscriptions to orders.",
		func() float64 { _, orders := s.hub.Subscribers(); return float64(orders) })
	return m
}

// oneIf is a gauge's 1 or 0.
func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, f := range m.figures {
		to <- f.description
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, f := range m.figures {
		to <- prometheus.MustNewConstMetric(f.description, f.kind, f.read())
	}
}
