package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"interlock/services/quota"
)

var (
	quotaRefused = prometheus.NewDesc("interlock_quota_refused_total",
		"Requests that were refused since their client asks too often, or since the railway sells no more.",
		[]string{"quota"}, nil)
	quotaAlone = prometheus.NewDesc("interlock_quota_alone_total",
		"Demands that this server has answered alone, since the store of the quotas was away.", nil, nil)
)

// quotaMetrics shows what quotas refuse.
type quotaMetrics struct{ limiter *quota.Limiter }

// Describe implements prometheus.Collector.
func (quotaMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- quotaRefused
	to <- quotaAlone
}

// Collect implements prometheus.Collector.
func (m quotaMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.limiter.Stats()
	for _, name := range quota.Names {
		to <- prometheus.MustNewConstMetric(quotaRefused, prometheus.CounterValue, float64(stats.Refused[name]), name)
	}
	to <- prometheus.MustNewConstMetric(quotaAlone, prometheus.CounterValue, float64(stats.Alone))
}
