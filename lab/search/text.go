package search

import (
	"fmt"
	"strings"
)

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(name string, s *Searches) {
		if s != nil {
			fmt.Fprintf(&b, "%-13s %3d offers %8.0f searches/s   p50 %7.2f ms   p99 %7.2f ms   %d unknown, %d wrong\n", name,
				s.Offers, s.SearchesPerSecond, s.P50Milliseconds, s.P99Milliseconds, s.Unknown, s.Wrong)
		}
	}
	line("busy", r.Busy)
	line("typical", r.Typical)
	line("empty", r.Empty)
	if s := r.Selling; s != nil {
		line("selling", s.Searches)
		fmt.Fprintf(&b, "%-13s %d orders shown after p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n", "", s.Orders, s.StalenessP50, s.StalenessP99, s.StalenessMax)
	}
	if m := r.MySQL; m != nil {
		fmt.Fprintf(&b, "%-13s %.1f statements/s idle, %.1f searching: %.4f for each of %d searches\n", "mysql", m.IdlePerSecond, m.SearchingPerSecond, m.PerSearch, m.Searches)
	}
	line("mysql_frozen", r.Frozen)
	if c := r.CacheKilled; c != nil {
		line("cache_killed", c.Searches)
		fmt.Fprintf(&b, "%-13s away for %.1f s, known again after %.1f s\n", "", c.DownSeconds, c.KnownAgainSeconds)
	}
	return b.String()
}
