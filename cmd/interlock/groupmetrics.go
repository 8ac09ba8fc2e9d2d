package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"interlock/services/ledger"
	"interlock/services/messages"
)

// backlog is what the outbox holds, by the latest look.
func (s *Server) backlog() ledger.Backlog {
	status, _, _ := s.monitor.Status()
	return status.Backlog
}

// stand is what readiness says of messages.
func stand(monitor *messages.Monitor) string {
	status, known, err := monitor.Status()
	rest := ""
	if n := status.Backlog.Unpublished; n > 0 {
		rest = "; " + waiting(n, status.Backlog.OldestUnpublished.Seconds()) + " to be published"
	}
	switch {
	case !known:
		return "not looked at yet"
	case err != nil:
		return "Redis does not answer" + rest
	}
	return count(len(status.Groups), "group") + rest
}

// groupMetrics shows how far each group of consumers of each stream has come.
type groupMetrics map[string]*messages.Monitor

var (
	groupLag = prometheus.NewDesc("interlock_messages_lag_seconds",
		"How long ago the oldest event was published that a group has not acknowledged.", []string{"stream", "group"},
		nil)
	groupPending = prometheus.NewDesc("interlock_messages_pending",
		"Events that a group's consumers have and have not acknowledged.", []string{"stream", "group"}, nil)
	groupDead = prometheus.NewDesc("interlock_messages_dead_letters",
		"Events that a group could not handle. Alarm above 0: see interlock messages dead.",
		[]string{"stream", "group"},
		nil)
)

// Describe implements prometheus.Collector.
func (groupMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{groupLag, groupPending, groupDead} {
		to <- description
	}
}

// Collect implements prometheus.Collector.
func (m groupMetrics) Collect(to chan<- prometheus.Metric) {
	for stream, monitor := range m {
		status, _, _ := monitor.Status()
		for i := range status.Groups {
			g := &status.Groups[i]
			for description, value := range map[*prometheus.Desc]float64{
				groupLag: g.Lag.Seconds(), groupPending: float64(g.Pending), groupDead: float64(g.Dead),
			} {
				to <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, stream, g.Name)
			}
		}
	}
}
