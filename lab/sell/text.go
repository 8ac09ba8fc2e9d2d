package sell

import (
	"fmt"
	"strings"
)

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	hot := func(name string, h *Hot) {
		if h != nil {
			line("%-14s %8.0f orders/s   p50 %7.2f ms   p99 %7.2f ms   %4.1f × baseline   %4.2f of the ceiling", name,
				h.OrdersPerSecond, h.P50Milliseconds, h.P99Milliseconds, h.RatioToBaseline, h.RatioToCeiling)
		}
	}
	hot("hot_64", r.Hot64)
	hot("hot_1024", r.Hot1024)
	if r.Baseline != nil {
		line("%-14s %8.0f orders/s   %+v", "baseline", r.Baseline.OrdersPerSecond, r.Baseline.Best)
	}
	if r.Ceiling != nil {
		line("%-14s %8.0f orders/s   %+v", "ceiling", r.Ceiling.OrdersPerSecond, r.Ceiling.Best)
	}
	if f := r.FourServers; f != nil {
		line("%-14s %8.2f of one, least share %.2f", "four_servers", f.RatioToOne, f.LeastShareOver5S)
	}
	if z := r.Zipf100; z != nil {
		line("%-14s %8.2f of hot", "zipf_100", z.RatioToHot)
	}
	if o := r.SingleBuyer; o != nil {
		line("%-14s %8.2f of a commit (%.2f ms, %.2f ms), %d rounds of %.1f s in all", "single_buyer",
			o.P50RatioToCommit, o.P50Milliseconds, o.CommitP50Milliseconds,
			len(o.Each), o.Seconds)
	}
	if s := r.SellsOut; s != nil {
		line("%-14s %8d orders, %d sold out, %.1f %% of all seat-legs", "sells_out", s.Orders, s.SoldOut,
			100*s.SoldSeatLegsRatio)
	}
	if o := r.Overload; o != nil {
		line("%-14s %8.0f orders/s of %.0f offered, %d told OVERLOADED   p50 %.2f ms   p99 %.2f ms   memory %.0f, "+
			"%.0f, %.0f, %.0f MB", "overload",
			o.OrdersPerSecond, o.OfferedPerSecond, o.OverloadedAnswers, o.OverloadedP50Milliseconds,
			o.OverloadedP99Milliseconds,
			o.MemoryBeforeMegabytes, o.MemoryStartMegabytes, o.MemoryMiddleMegabytes, o.MemoryEndMegabytes)
	}
	line("%d orders acknowledged: %d double sold, %d lost, %d wrongly refused, %d refusals undecided", r.Acknowledged,
		r.DoubleSold, r.Lost,
		r.WronglyRefused, r.UndecidedRefusals)
	if r.Verify != nil {
		line("verify: ok %t, %d runs, %d tickets, %d defects", r.Verify.OK, r.Verify.Runs, r.Verify.Tickets,
			len(r.Verify.Defects))
	}
	for problem, n := range r.Problems {
		line("%d × %s", n, problem)
	}
	return b.String()
}
