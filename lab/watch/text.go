package watch

import (
	"fmt"
	"strings"
)

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%d subscribers (%d event streams, %d WebSockets), connected in %.1f s", r.Subscribers, r.EventStreams, r.Sockets, r.ConnectSeconds)
	if m := r.Memory; m != nil {
		line("%-10s %.0f MB without them, %.0f MB with, %.0f MB selling: %.1f KB each", "memory", m.BeforeMegabytes, m.IdleMegabytes, m.SellingMegabytes, m.PerSubscriberKilobytes)
	}
	phase := func(name string, p Phase) {
		line("%-10s %5.0f orders/s %8.0f events/s   lag p50 %7.1f ms   p99 %7.1f ms   at most %7.1f ms", name,
			p.OrdersPerSecond, p.EventsPerSecond, p.LagP50, p.LagP99, p.LagMax)
	}
	phase("steady", r.Steady)
	phase("stalled", r.Stalled.Phase)
	line("%-10s one who does not read: %.2f × the others' p99, cut off: %t", "", r.Stalled.RatioToSteady, r.Stalled.Cut)
	line("%-10s all have version %d after %.0f ms, %d missing", "end", r.End.LastVersion, r.End.AfterMilliseconds, r.End.Missing)
	line("%-10s %d back: p50 %.0f ms, p99 %.0f ms, the last after %.0f ms; then all have version %d after %.0f ms, %d missing", "reconnect",
		r.Reconnect.Back, r.Reconnect.P50, r.Reconnect.P99, r.Reconnect.Max, r.ReconnectEnd.LastVersion, r.ReconnectEnd.AfterMilliseconds, r.ReconnectEnd.Missing)
	line("%d violations, %d broken streams %s", r.Violations, r.Broken, r.Problem)
	return b.String()
}
