package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"interlock/services/pay"
	"interlock/services/pay/payrpc"
	"interlock/services/rpc"
)

// series are metrics with labels.
type series struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	// read gives every value with those of its labels.
	read func(give func(value float64, labels ...string))
}

// seriesOf collects several.
type seriesOf []series

// Describe implements prometheus.Collector.
func (s seriesOf) Describe(to chan<- *prometheus.Desc) {
	for i := range s {
		to <- s[i].description
	}
}

// Collect implements prometheus.Collector.
func (s seriesOf) Collect(to chan<- prometheus.Metric) {
	for i := range s {
		one := &s[i]
		one.read(func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(one.description, one.kind, value, labels...)
		})
	}
}

// paymentMetrics show the payments of this process.
func paymentMetrics(p *payments) prometheus.Collector {
	plain := &metrics{}
	counter := func(name, help string, read func() float64) {
		plain.add(prometheus.CounterValue, name+"_total", help, read)
	}
	gauge := func(name, help string, read func() float64) { plain.add(prometheus.GaugeValue, name, help, read) }
	gauge("payments_overdue",
		"Payments that could not be released or refunded for more than ten minutes. Alarm above 0.",
		func() float64 { return float64(p.service.Stats().Overdue) })
	gauge("payments_oldest_due_seconds",
		"For how long a payment has been due that is due for longest, but for open pages. Alarm above 60.",
		func() float64 { return p.service.Stats().OldestDue.Seconds() })
	gauge("payments_calls_under_way", "Calls of the provider that are made now.",
		func() float64 { return float64(p.service.Stats().UnderWay) })
	gauge("payments_waiting", "Changes of payments that wait for a commit.",
		func() float64 { return float64(p.service.Stats().Waiting) })
	counter("payments_healed", "Differences to the provider's list that were set right.",
		func() float64 { return float64(p.service.Stats().Healed) })
	counter("payments_left", "Differences to the provider's list that need a person. Alarm when it rises.",
		func() float64 { return float64(p.service.Stats().Left) })
	gauge("payments_reconciled_timestamp_seconds",
		"When the provider's list was last compared; 0 where it never was. Alarm when the highest is 3 hours old.",
		func() float64 {
			if at := p.service.Stats().ReconciledAt; !at.IsZero() {
				return float64(at.Unix())
			}
			return 0
		})
	counter("payments_webhooks_turned_away", "Webhooks that came while too many others were there.",
		func() float64 { return float64(p.webhooks.TurnedAway()) })
	counter("payments_commits", "Commits of the payments' database that were acknowledged.",
		func() float64 { return float64(p.store.Stats().Commits) })
	counter("payments_commits_in_doubt", "Commits of it whose outcome was unknown. Alarm when it rises.",
		func() float64 { return float64(p.store.Stats().CommitsInDoubt) })
	gauge("payments_has_primary", "0 while there is no primary to keep payments on.",
		func() float64 { return oneIf(p.store.Stats().HasPrimary) })
	counter("payments_published", "Events of payments published by this process.",
		func() float64 { return float64(p.relay.Stats().Published) })
	counter("payments_given_up", "Batches of events of payments that left although not every group had acknowledged "+
		"them. Alarm when it rises.", func() float64 { return float64(p.relay.Stats().GivenUp) })
	gauge("payments_unpublished_age_seconds",
		"Age of the oldest batch of payments' events that is not published. Alarm above 60.", func() float64 {
			status, _, _ := p.monitor.Status()
			return status.Backlog.OldestUnpublished.Seconds()
		})
	return both{plain, labelledPayments(p)}
}

// labelledPayments are the metrics with labels.
func labelledPayments(p *payments) seriesOf {
	described := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("interlock_payments_"+name+"_total", help, labels, nil)
	}
	return seriesOf{
		{
			described("reached", "Payments that this process brought into a state.", "state"), prometheus.CounterValue,
			func(give func(float64, ...string)) {
				reached := p.service.Stats().Reached
				for _, state := range pay.States {
					give(float64(reached[state]), string(state))
				}
			},
		},
		{
			described("calls", "Calls of the provider. Alarm when failed or timed_out rises.", "purpose", "outcome"),
			prometheus.CounterValue,
			func(give func(float64, ...string)) {
				for call, n := range p.service.Stats().Calls {
					give(float64(n), call.Purpose, string(call.Outcome))
				}
			},
		},
		{
			described("webhooks", "Webhooks. Alarm when forged or failed rises.", "outcome"), prometheus.CounterValue,
			func(give func(float64, ...string)) {
				webhooks := p.service.Stats().Webhooks
				for _, outcome := range pay.WebhookOutcomes {
					give(float64(webhooks[outcome]), string(outcome))
				}
			},
		},
	}
}

// both are two collectors as one.
type both [2]prometheus.Collector

// Describe implements prometheus.Collector.
func (b both) Describe(to chan<- *prometheus.Desc) {
	b[0].Describe(to)
	b[1].Describe(to)
}

// Collect implements prometheus.Collector.
func (b both) Collect(to chan<- prometheus.Metric) {
	b[0].Collect(to)
	b[1].Collect(to)
}

// clientMetrics show a server's calls of payments in another process.
func clientMetrics(c *payrpc.Client) prometheus.Collector {
	m := &metrics{}
	add := func(name, help string, read func(rpc.CallerStats) int64) {
		m.add(prometheus.CounterValue, "pay_client_"+name+"_total", help,
			func() float64 { return float64(read(c.Stats())) })
	}
	add("calls", "Calls of interlock pay.", func(s rpc.CallerStats) int64 { return s.Calls })
	add("retries", "Those of them that repeated one.", func(s rpc.CallerStats) int64 { return s.Retried })
	add("failures", "Calls of interlock pay that it did not answer. Alarm when it rises.",
		func(s rpc.CallerStats) int64 { return s.Failed })
	add("refused", "Calls for which our secret or certificate was not the right one. Alarm when it rises.",
		func(s rpc.CallerStats) int64 { return s.Refused })
	return m
}

// handlerMetrics show the calls that interlock pay answers.
func handlerMetrics(h *payrpc.Handler) prometheus.Collector {
	m := &metrics{}
	add := func(name, help string, read func(rpc.GateStats) int64) {
		m.add(prometheus.CounterValue, "pay_rpc_"+name+"_total", help,
			func() float64 { return float64(read(h.Stats())) })
	}
	add("calls", "Calls of servers that were let in.", func(s rpc.GateStats) int64 { return s.Calls })
	add("failures", "Those that ended with INTERNAL or UNAVAILABLE. Alarm when it rises.",
		func(s rpc.GateStats) int64 { return s.Failed })
	add("refused", "Calls without the right secret or certificate. Alarm when it rises.",
		func(s rpc.GateStats) int64 { return s.Refused })
	add("overloaded", "Calls that were turned away.", func(s rpc.GateStats) int64 { return s.Overloaded })
	m.add(prometheus.GaugeValue, "pay_rpc_under_way", "Calls that are being answered.",
		func() float64 { return float64(h.Stats().UnderWay) })
	return m
}
