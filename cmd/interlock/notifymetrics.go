package main

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"interlock/services/notify"
)

var (
	notifyNoted = prometheus.NewDesc("interlock_deliveries_noted_total",
		"Deliveries that were noted; one that an event led to twice counts twice.", nil, nil)
	notifyTries = prometheus.NewDesc("interlock_deliveries_tries_total",
		"Tries to deliver, by how they ended: pending is tried again.", []string{"channel", "state"}, nil)
	notifyUnderWay = prometheus.NewDesc("interlock_deliveries_under_way",
		"Tries that are being made now.", []string{"channel"}, nil)
	notifyOldest = prometheus.NewDesc("interlock_deliveries_oldest_due_seconds",
		"For how long the delivery is due that is due for longest and waits for a place; 0 where none is.", nil, nil)
)

// notifyMetrics shows what is told.
type notifyMetrics struct{ service *notify.Service }

// Describe implements prometheus.Collector.
func (notifyMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{notifyNoted, notifyTries, notifyUnderWay, notifyOldest} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m notifyMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.service.Stats()
	to <- prometheus.MustNewConstMetric(notifyNoted, prometheus.CounterValue, float64(stats.Noted))
	for _, channel := range []notify.Channel{notify.Mail, notify.Webhook} {
		name := strings.ToLower(string(channel))
		for _, state := range notify.States {
			to <- prometheus.MustNewConstMetric(notifyTries, prometheus.CounterValue,
				float64(stats.Tried[notify.Tried{Channel: channel, State: state}]), name, strings.ToLower(string(state)))
		}
		to <- prometheus.MustNewConstMetric(notifyUnderWay, prometheus.GaugeValue, float64(stats.UnderWay[channel]), name)
	}
	oldest := 0.0
	if !stats.OldestDue.IsZero() {
		oldest = max(0, time.Since(stats.OldestDue).Seconds())
	}
	to <- prometheus.MustNewConstMetric(notifyOldest, prometheus.GaugeValue, oldest)
}
